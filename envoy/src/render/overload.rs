//! What makes Envoy refuse requests before its memory ends: its overload manager.
//!
//! The filter bounds the bodies that it takes, which is what normally holds. This is the wall behind it, for what Envoy buffers by
//! itself: answers that their clients do not read, above all. `fixed_heap` counts Envoy's own allocations and sees nothing of the
//! VMs; the control group's counter sees all, where there is a limit.

use std::path::Path;
use std::time::Duration;

use super::seconds;
use super::text::fill;

/// A body that the filter lets in may stand in Envoy's buffers so often: where the filter reads it, where a retry would take it from, and on its way out.
const COPIES: u64 = 3;
/// What Envoy needs beside them, with room to spare.
const BASE: u64 = 512 << 20;

/// A stream on which nothing has moved is ended after this, and not before, when memory is short: a whole answer may take that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The overload manager. `workers` is their number, `bodies` how many bytes of them the filter lets each hold; `cgroup` says that Envoy will run where a control group limits its memory;
/// `longest` is when a stream is ended at the latest.
pub fn manager(workers: u64, bodies: u64, cgroup: bool, longest: Duration) -> String {
    let trigger =
        |monitor: &str, threshold: &str| format!("- {{ name: envoy.resource_monitors.{monitor}, {threshold} }}\n");
    let monitors: &[&str] = if cgroup { &["fixed_heap", "cgroup_memory"] } else { &["fixed_heap"] };
    let triggers = |threshold: &str| monitors.iter().map(|monitor| trigger(monitor, threshold)).collect::<String>();
    fill(
        include_str!("overload.yaml"),
        &[
            ("heap", &largest_heap(workers, bodies).to_string()),
            ("cgroup", if cgroup { include_str!("cgroup.yaml") } else { "" }),
            ("patience", &seconds(PATIENCE.min(longest))),
            ("hurry", &triggers("scaled: { scaling_threshold: 0.8, saturation_threshold: 0.92 }")),
            ("part", &triggers("threshold: { value: 0.92 }")),
            ("refuse", &triggers("threshold: { value: 0.95 }")),
        ],
    )
}

/// Well above what is to be expected: reaching it means that something else is wrong.
fn largest_heap(workers: u64, bodies: u64) -> u64 {
    BASE.saturating_add(workers.saturating_mul(bodies).saturating_mul(COPIES))
}

/// Whether a control group limits the memory of processes on this machine, as Envoy will see it: it looks at the group at the root of
/// the file system, which in a container is the container's own. Without these files Envoy would not start with such a monitor.
pub fn is_limited(root: &Path) -> bool {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
    // The second version says `max` where there is no limit, the first one a number that no machine has.
    let limits = |limit: &str, usage: &str| {
        let limit = read(limit).and_then(|text| text.trim().parse::<u64>().ok()).filter(|bytes| *bytes < 1 << 60);
        limit.is_some() && read(usage).is_some()
    };
    limits("memory.max", "memory.current") || limits("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(1200);

    #[test]
    fn the_heap_grows_with_the_workers() {
        assert_eq!(largest_heap(1, 256 << 20), (512 + 768) << 20);
        assert!(manager(4, 256 << 20, false, LONGEST).contains("max_heap_size_bytes: 3758096384\n"));
        assert_eq!(largest_heap(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_control_group_is_looked_at_only_where_there_is_one() {
        let without = manager(1, 256 << 20, false, LONGEST);
        assert!(!without.contains("cgroup"), "{without}");
        let with = manager(1, 256 << 20, true, LONGEST);
        assert_eq!(with.matches("envoy.resource_monitors.cgroup_memory").count(), 4, "{with}");
        assert_eq!(with.matches("envoy.resource_monitors.fixed_heap").count(), 4, "{with}");
    }

    #[test]
    fn no_stream_may_be_silent_for_longer_than_it_may_last() {
        assert!(manager(1, 256 << 20, false, LONGEST).contains("min_timeout: 60s"));
        assert!(manager(1, 256 << 20, false, Duration::from_secs(5)).contains("min_timeout: 5s"));
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
