//! Envoy's overload manager, which rejects requests before memory runs out.
//!
//! Normally the filter's own limit on bodies is enough. The overload manager is the second line of defense, for Envoy's own buffers: mainly
//! responses that clients do not read. `fixed_heap` counts Envoy's allocations without the VMs; the control group's counter includes
//! everything, where a limit is set.

use std::path::Path;

use super::text::fill;

/// Copies of an admitted body in Envoy's buffers: where the filter reads it, for retries, and on its way upstream.
const COPIES: u64 = 3;
/// Memory for the rest of Envoy, with a margin.
const BASE: u64 = 512 << 20;

/// The overload manager. `workers` is the number of workers, `bodies` the bytes of bodies that the filter admits to each, `cgroup` whether
/// a control group will limit Envoy's memory.
pub fn manager(workers: u64, bodies: u64, cgroup: bool) -> String {
    let trigger =
        |monitor: &str, threshold: &str| format!("- {{ name: envoy.resource_monitors.{monitor}, {threshold} }}\n");
    let monitors: &[&str] = if cgroup { &["fixed_heap", "cgroup_memory"] } else { &["fixed_heap"] };
    let triggers = |threshold: &str| monitors.iter().map(|monitor| trigger(monitor, threshold)).collect::<String>();
    fill(
        include_str!("overload.yaml"),
        &[
            ("heap", &largest_heap(workers, bodies).to_string()),
            ("cgroup", if cgroup { include_str!("cgroup.yaml") } else { "" }),
            ("hurry", &triggers("scaled: { scaling_threshold: 0.8, saturation_threshold: 0.92 }")),
            ("part", &triggers("threshold: { value: 0.92 }")),
            ("refuse", &triggers("threshold: { value: 0.95 }")),
        ],
    )
}

/// Well above normal usage: if it is reached, something else is wrong.
fn largest_heap(workers: u64, bodies: u64) -> u64 {
    BASE.saturating_add(workers.saturating_mul(bodies).saturating_mul(COPIES))
}

/// Whether a control group limits memory on this machine, as Envoy sees it: it reads the group at the file system's root, which in a
/// container is the container's own. Without these files an Envoy with this monitor would not start.
pub fn is_limited(root: &Path) -> bool {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
    // Without a limit, version 2 has `max`, and version 1 an impossibly large number.
    let limits = |limit: &str, usage: &str| {
        let limit = read(limit).and_then(|text| text.trim().parse::<u64>().ok()).filter(|bytes| *bytes < 1 << 60);
        limit.is_some() && read(usage).is_some()
    };
    limits("memory.max", "memory.current") || limits("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_grows_with_the_workers() {
        assert_eq!(largest_heap(1, 256 << 20), (512 + 768) << 20);
        assert!(manager(4, 256 << 20, false).contains("max_heap_size_bytes: 3758096384\n"));
        assert_eq!(largest_heap(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_control_group_is_looked_at_only_where_there_is_one() {
        let without = manager(1, 256 << 20, false);
        assert!(!without.contains("cgroup"), "{without}");
        let with = manager(1, 256 << 20, true);
        assert_eq!(with.matches("envoy.resource_monitors.cgroup_memory").count(), 4, "{with}");
        assert_eq!(with.matches("envoy.resource_monitors.fixed_heap").count(), 4, "{with}");
    }

    #[test]
    fn a_limit_is_one_that_a_machine_could_reach() {
        let root = tempfile::tempdir().unwrap();
        let group = |files: &[(&str, &str)]| {
            let directory = tempfile::tempdir_in(root.path()).unwrap().keep();
            std::fs::create_dir(directory.join("memory")).unwrap();
            for (name, text) in files {
                std::fs::write(directory.join(name), text).unwrap();
            }
            is_limited(&directory)
        };
        let (limit, usage) = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes");
        assert!(group(&[("memory.max", "1073741824\n"), ("memory.current", "1\n")]));
        assert!(!group(&[("memory.max", "max\n"), ("memory.current", "1\n")]));
        assert!(!group(&[("memory.max", "1073741824\n")]), "Envoy would not start");
        assert!(group(&[(limit, "1073741824\n"), (usage, "1\n")]));
        assert!(!group(&[(limit, "9223372036854771712\n"), (usage, "1\n")]));
        assert!(!group(&[]));
    }
}
