//! Checks the directory's content at every step of a change, as an Envoy that starts at that moment would read it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// A gateway file with these providers and their ports.
fn file(providers: &[(&str, u16)]) -> String {
    let each = providers.iter().map(|(name, port)| {
        format!("  {name}: {{ kind: openai, url: \"http://127.0.0.1:{port}/v1\", key: {{ file: some.key }} }}\n")
    });
    let targets = providers.iter().map(|(name, _)| format!("{{ provider: {name}, model: m }}"));
    let targets: Vec<String> = targets.collect();
    format!(
        "providers:\n{}models: {{ chat: {{ targets: [{}] }} }}\nteams: {{}}\nkeys: []\nadmin: {{ listen: \"127.0.0.1:9\", \
         sha256: \"{:064}\" }}\n",
        each.collect::<String>(),
        targets.join(", "),
        1
    )
}

/// The options of an Envoy with the files of this directory.
pub(super) fn options(directory: &Path) -> render::Options {
    render::Options {
        base: directory.to_owned(),
        module: render::Module::Wasm("/sluice.wasm".into()),
        secrets: secrets_in(directory),
        admin: "127.0.0.1:9901".parse().unwrap(),
        access_log: None,
        ca: "/ca.crt".into(),
        proxy: None,
        concurrency: None,
        cgroup: false,
    }
}

struct Scene {
    directory: TempDir,
    options: render::Options,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["some.key", "other.key"] {
            fs::write(directory.path().join(name), "sk-1").unwrap();
        }
        let options = options(directory.path());
        Self { directory, options }
    }

    fn prepared(&self, text: &str) -> (Prepared, Secrets) {
        let checked = check::check_in(text, self.directory.path()).unwrap();
        let prepared = Prepared::new(checked, self.directory.path(), &self.options);
        let secrets = secrets::resolve(&prepared.checked.file, self.directory.path()).unwrap();
        (prepared, secrets)
    }

    fn started(&self, providers: &[(&str, u16)]) -> Applied {
        let (first, secrets) = self.prepared(&file(providers));
        Applied::start(&first, &secrets, self.directory.path(), 0o644, self.options.clone()).unwrap()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    /// The cluster names between these marks in a file.
    fn named(&self, file: &str, before: &str, after: &str) -> BTreeSet<String> {
        let text = self.text(file);
        let parts = text.split(before).skip(1);
        parts.filter_map(|rest| rest.split(after).next()).map(str::to_owned).filter(|name| name.contains('~')).collect()
    }

    fn clusters(&self) -> BTreeSet<String> {
        self.named(discovery::CLUSTERS, "\n  name: \"", "\"\n")
    }

    fn routes(&self) -> BTreeSet<String> {
        self.named(discovery::ROUTES, ", cluster: \"", "\"")
    }

    /// The clusters in the filter's configuration.
    fn planned(&self) -> BTreeSet<String> {
        let text = self.text(discovery::GATEWAY_FILTER);
        let (_, json) = text.split_once("value: |-\n").unwrap();
        let plugin: Value = serde_json::from_str(json).unwrap();
        let providers = plugin["gateway"]["providers"].as_object().unwrap();
        let name = |(name, provider): (&String, &Value)| format!("{name}~{}", provider["generation"].as_str().unwrap());
        providers.iter().map(name).collect()
    }

    /// Asserts that an Envoy could start from the directory now.
    fn is_sound(&self, when: &str) {
        let (clusters, routes, planned) = (self.clusters(), self.routes(), self.planned());
        assert!(!planned.is_empty() && planned.is_subset(&routes), "{when}: {planned:?} of {routes:?}");
        assert!(routes.is_subset(&clusters), "{when}: {routes:?} of {clusters:?}");
        for cluster in &clusters {
            let path = secrets_in(self.directory.path()).join(format!("{cluster}.yaml"));
            assert!(path.exists(), "{when}: {cluster} has no credential");
        }
    }
}

/// Stands for an Envoy that reads only the first files, and checks the directory at each one.
struct Takes<'s> {
    scene: &'s Scene,
    most: usize,
    idle: bool,
    seen: Cell<usize>,
    files: RefCell<Vec<String>>,
    watches: Option<usize>,
}

impl<'s> Takes<'s> {
    fn first(most: usize, scene: &'s Scene) -> Self {
        Self { scene, most, idle: false, seen: Cell::default(), files: RefCell::default(), watches: None }
    }
}

impl Taken for Takes<'_> {
    fn is_idle(&self) -> bool {
        self.idle
    }

    fn wait(&self, file: &str, _version: &str) -> Result<(), String> {
        self.scene.is_sound(file);
        self.seen.set(self.seen.get() + 1);
        self.files.borrow_mut().push(file.to_owned());
        if self.seen.get() <= self.most { Ok(()) } else { Err("it does not".to_owned()) }
    }

    fn watches_left(&self) -> Option<usize> {
        self.watches
    }
}

const BEFORE: [(&str, u16); 2] = [("a", 1), ("b", 2)];
/// One provider moved, one removed, one added.
const AFTER: [(&str, u16); 2] = [("a", 9), ("c", 3)];

#[test]
fn each_file_names_what_an_earlier_one_has_brought() {
    let scene = Scene::new();
    let mut applied = scene.started(&BEFORE);
    scene.is_sound("at the start");
    let before = scene.planned();
    let (next, secrets) = scene.prepared(&file(&AFTER));
    let all = Takes::first(usize::MAX, &scene);
    applied.change(&next, &secrets, &all).unwrap();
    let order = [discovery::CLUSTERS, discovery::ROUTES, discovery::ADMIN_FILTER, STATE, discovery::GATEWAY_FILTER];
    assert_eq!(*all.files.borrow(), order, "the listeners stay as they are");
    let after = scene.planned();
    assert!(after.is_disjoint(&before) && scene.clusters().is_superset(&before), "{after:?} {before:?}");
    assert!(scene.text(discovery::CLUSTERS).contains("alt_stat_name: \"a\""));
}

#[test]
fn at_the_end_only_the_filter_is_told_and_in_its_own_place() {
    let scene = Scene::new();
    let applied = scene.started(&BEFORE);
    let texts = || [discovery::CLUSTERS, discovery::ROUTES, discovery::LISTENERS, STATE].map(|name| scene.text(name));
    let body = || scene.text(discovery::GATEWAY_FILTER).split_once('\n').unwrap().1.to_owned();
    let (others, before) = (texts(), body());
    applied.end_requests().unwrap();
    assert_eq!(texts(), others);
    assert_eq!(body(), before.replace(r#""role": "gateway""#, r#""role": "shutdown""#));
    assert_ne!(body(), before);
}

#[test]
fn what_envoy_does_not_take_is_undone() {
    for most in 0..5 {
        let scene = Scene::new();
        let mut applied = scene.started(&BEFORE);
        let version = applied.version().to_owned();
        let names = [discovery::CLUSTERS, discovery::ROUTES, discovery::LISTENERS, discovery::GATEWAY_FILTER];
        let texts = || names.map(|name| scene.text(name));
        let before = texts();
        let (next, secrets) = scene.prepared(&file(&AFTER));
        let problem = applied.change(&next, &secrets, &Takes::first(most, &scene)).unwrap_err();
        assert!(matches!(problem, NotApplied::Envoy(_)), "{problem}");
        assert_eq!(texts(), before, "after {most}");
        assert_eq!(applied.version(), version);
        scene.is_sound("undone");
        // The next process that reads the directory can retry the change.
        let mut applied = Applied::read(scene.directory.path(), 0o644, scene.options.clone()).unwrap().unwrap();
        assert_eq!(applied.version(), version);
        applied.change(&next, &secrets, &Takes::first(usize::MAX, &scene)).unwrap();
        assert_eq!(applied.version(), next.version);
        scene.is_sound("tried again");
    }
}

#[test]
fn a_directory_that_was_left_in_the_middle_of_a_change_is_gone_on_with() {
    // The process ends while it waits, so nothing is rolled back.
    for most in 0..5 {
        let scene = Scene::new();
        let mut applied = scene.started(&BEFORE);
        let (next, secrets) = scene.prepared(&file(&AFTER));
        let left = tempfile::tempdir().unwrap();
        struct Leaves<'s>(Takes<'s>, &'s Path);
        impl Taken for Leaves<'_> {
            fn is_idle(&self) -> bool {
                false
            }

            fn wait(&self, file: &str, version: &str) -> Result<(), String> {
                let taken = self.0.wait(file, version);
                if taken.is_err() {
                    for entry in fs::read_dir(self.0.scene.directory.path()).unwrap().flatten() {
                        let _ = fs::copy(entry.path(), self.1.join(entry.file_name()));
                    }
                }
                taken
            }
        }
        applied.change(&next, &secrets, &Leaves(Takes::first(most, &scene), left.path())).unwrap_err();
        for entry in fs::read_dir(left.path()).unwrap().flatten() {
            fs::copy(entry.path(), scene.directory.path().join(entry.file_name())).unwrap();
        }
        scene.is_sound("left");
        let read = || Applied::read(scene.directory.path(), 0o644, scene.options.clone()).unwrap().unwrap();
        // A rejection changes nothing else.
        let planned = scene.planned();
        read().refuse(vec!["a mistake".to_owned()], &Takes::first(usize::MAX, &scene)).unwrap();
        let refused = scene.planned();
        assert!(refused == planned || refused == plan_of(&next), "{refused:?} {planned:?}");
        scene.is_sound("refused");
        read().change(&next, &secrets, &Takes::first(usize::MAX, &scene)).unwrap();
        assert_eq!(scene.planned(), plan_of(&next));
        scene.is_sound("gone on with");
    }
}

fn plan_of(prepared: &Prepared) -> BTreeSet<String> {
    prepared.clusters.iter().map(|cluster| cluster.name.clone()).collect()
}

#[test]
fn clusters_are_kept_as_long_as_a_request_can_last() {
    let scene = Scene::new();
    let mut applied = scene.started(&BEFORE);
    let all = || Takes::first(usize::MAX, &scene);
    let (present, secrets) = scene.prepared(&file(&[("a", 9), ("b", 2)]));
    applied.change(&present, &secrets, &all()).unwrap();
    let credentials = || fs::read_dir(secrets_in(scene.directory.path())).unwrap().count();
    for (older, kept) in [(Duration::ZERO, 3), (present.longest - MARGIN, 3), (MARGIN * 3, 2)] {
        for retired in &mut applied.state.retired {
            retired.since -= older.as_secs();
        }
        applied.tidy(&present, &all()).unwrap();
        assert_eq!((scene.clusters().len(), credentials()), (kept, kept), "{older:?} older");
        scene.is_sound("tidied");
    }
}

#[test]
fn where_nothing_is_under_way_no_cluster_is_kept_for_it() {
    let scene = Scene::new();
    let mut applied = scene.started(&BEFORE);
    let idle = || Takes { idle: true, ..Takes::first(usize::MAX, &scene) };
    let (present, secrets) = scene.prepared(&file(&[("a", 9), ("b", 2)]));
    applied.change(&present, &secrets, &idle()).unwrap();
    assert!(scene.clusters().len() == 3 && !applied.is_untidy(), "a worker may not have heard of the change");
    for retired in &mut applied.state.retired {
        retired.since -= MARGIN.as_secs();
    }
    assert!(applied.is_untidy());
    applied.tidy(&present, &idle()).unwrap();
    assert_eq!(scene.clusters().len(), 2);
}

#[test]
fn no_more_than_so_many_are_kept() {
    let cluster = |number: u64| Cluster { name: format!("a~{number}"), text: String::new(), listener: String::new() };
    let mut state = State::default();
    for number in 0..10_000 {
        state.expect(&[cluster(number)], number);
        state.retire(&[cluster(number)], number);
        let over = state.over(number, 1_000_000, MOST_RETIRED);
        assert!(state.all().count() <= MOST_RETIRED + 1 && over.len() <= 1);
    }
    assert_eq!(state.retired[0].cluster.name, format!("a~{}", 9_999 - MOST_RETIRED), "the oldest goes first");
}

#[test]
fn a_cluster_is_named_by_what_it_is() {
    let scene = Scene::new();
    let names = |text: &str| plan_of(&scene.prepared(text).0);
    let plain = file(&BEFORE);
    assert_eq!(
        names(&plain),
        names(&plain.replace("key: { file: some.key }", "key: { env: PATH }")),
        "the secret is not it"
    );
    let two = names(&plain.replacen("key: {", "keys: [{ file: other.key }], key: {", 1));
    assert!(two.is_superset(&names(&plain)) && two.len() == 3, "{two:?}");
    for changed in [":1/v1", "kind: openai, url: \"http://127.0.0.1:2"] {
        let other = changed.replace(":1/v1", ":8/v1").replace("kind: openai,", "kind: anthropic,");
        assert_ne!(names(&plain), names(&plain.replace(changed, &other)), "{changed}");
    }
}

#[test]
fn what_cannot_change_is_named() {
    let scene = Scene::new();
    let mut applied = scene.started(&BEFORE);
    let more = "redis: { url: \"http://127.0.0.1:1\" }\nmemory: { worker: 100MiB }\n";
    let (next, secrets) = scene.prepared(&(file(&BEFORE) + more));
    let problem = applied.change(&next, &secrets, &Takes::first(0, &scene)).unwrap_err();
    assert!(problem.to_string().starts_with("redis, memory: "), "{problem}");
}

/// Tests that reuse one Envoy change its configuration like this.
#[test]
fn a_vm_of_another_name_may_use_redis_otherwise_and_finds_it_where_it_was() {
    let scene = Scene::new();
    let of = |redis: &str| scene.prepared(&format!("{}redis: {{ {redis} }}\n", file(&BEFORE)));
    let (first, secrets) = of("url: \"http://127.0.0.1:1\"");
    let mut applied = Applied::start(&first, &secrets, scene.directory.path(), 0o644, scene.options.clone()).unwrap();
    let mut change = |redis: &str| {
        let (next, secrets) = of(redis);
        applied.change(&next, &secrets, &Takes::first(usize::MAX, &scene)).map_err(|problem| problem.to_string())
    };
    assert!(change("url: \"http://127.0.0.1:1\", when_down: deny").unwrap_err().starts_with("redis: "));
    fs::write(scene.directory.path().join("vm-id"), "another").unwrap();
    change("url: \"http://127.0.0.1:1\", when_down: deny").unwrap();
    fs::write(scene.directory.path().join("vm-id"), "a-third").unwrap();
    assert!(change("url: \"http://127.0.0.1:2\"").unwrap_err().starts_with("Envoy's startup configuration: "));
}

#[test]
fn all_can_be_written_over_what_was_there_and_an_end_in_the_middle_leaves_what_serves() {
    let scene = Scene::new();
    drop(scene.started(&BEFORE));
    let listeners = scene.directory.path().join(discovery::LISTENERS);
    fs::remove_file(&listeners).unwrap();
    fs::create_dir(&listeners).unwrap();
    let (next, secrets) = scene.prepared(&file(&AFTER));
    let directory = scene.directory.path();
    Applied::start(&next, &secrets, directory, 0o644, scene.options.clone()).unwrap_err();
    scene.is_sound("broken off");
    fs::remove_dir(&listeners).unwrap();
    let applied = scene.started(&AFTER);
    scene.is_sound("written");
    assert_eq!((scene.clusters(), scene.planned()), (plan_of(&next), plan_of(&next)));
    let credentials = fs::read_dir(secrets_in(directory)).unwrap().count();
    assert_eq!(credentials, AFTER.len(), "no credential of an earlier one stays");
    assert!(applied.is(&next) && applied.is_written(&next));

    fs::write(directory.join(STATE), "{").unwrap();
    let problem = Applied::read(directory, 0o644, scene.options.clone()).unwrap_err();
    assert!(problem.to_string().ends_with("run this command with --offline, and restart Envoy"), "{problem}");
    drop(scene.started(&BEFORE));
    scene.is_sound("after damage");
}

#[test]
fn an_envoy_is_not_made_to_watch_more_than_the_kernel_lets_it() {
    let scene = Scene::new();
    let mut applied = scene.started(&BEFORE);
    let (next, secrets) = scene.prepared(&file(&AFTER));
    let texts = || [discovery::CLUSTERS, discovery::GATEWAY_FILTER].map(|name| scene.text(name));
    let before = texts();
    let with = |watches| Takes { watches: Some(watches), ..Takes::first(usize::MAX, &scene) };
    let problem = applied.change(&next, &secrets, &with(1)).unwrap_err();
    assert!(problem.to_string().starts_with("Envoy needs to watch 2 more files, "), "{problem}");
    assert_eq!(texts(), before);
    applied.change(&next, &secrets, &with(2)).unwrap();
    scene.is_sound("watched");
}

#[test]
fn other_options_are_a_change() {
    let mut scene = Scene::new();
    drop(scene.started(&BEFORE));
    scene.options.access_log = Some("/var/log/access.log".into());
    let mut applied = Applied::read(scene.directory.path(), 0o644, scene.options.clone()).unwrap().unwrap();
    let (next, secrets) = scene.prepared(&file(&BEFORE));
    assert!(applied.is(&next) && !applied.is_written(&next));
    applied.change(&next, &secrets, &Takes::first(usize::MAX, &scene)).unwrap();
    assert!(applied.is_written(&next) && scene.text(discovery::LISTENERS).contains("/var/log/access.log"));
}

#[test]
fn ordinary_settings_are_not_in_the_bootstrap() {
    let relaxed = "redis: { url: \"http://127.0.0.1:1\", mode: relaxed }\n";
    let labelled = format!("{relaxed}metrics: {{ key_label: true, series: 20000 }}\n");
    for (before, after) in
        [("", "timeouts: { total: 20s }\n"), ("timeouts: { total: 20s }\n", ""), (relaxed, &*labelled)]
    {
        let scene = Scene::new();
        let (first, secrets) = scene.prepared(&(file(&BEFORE) + before));
        let directory = scene.directory.path();
        let mut applied = Applied::start(&first, &secrets, directory, 0o644, scene.options.clone()).unwrap();
        let (next, secrets) = scene.prepared(&(file(&BEFORE) + after));
        applied.change(&next, &secrets, &Takes::first(usize::MAX, &scene)).unwrap();
    }
}

#[test]
fn settings_in_the_bootstrap_are_named() {
    let mut scene = Scene::new();
    scene.options.cgroup = true;
    let exported = |more: &str| format!("metrics: {{ otlp: {{ url: \"http://127.0.0.1:1\" }}{more} }}\n");
    let cases = [
        (exported(""), exported(", key_label: true"), "metrics.key_label"),
        (String::new(), "log: { file: access.log }\n".to_owned(), "log.file under a memory limit"),
    ];
    for (before, after, part) in cases {
        let (first, secrets) = scene.prepared(&(file(&BEFORE) + &before));
        let directory = scene.directory.path();
        let mut applied = Applied::start(&first, &secrets, directory, 0o644, scene.options.clone()).unwrap();
        let (next, secrets) = scene.prepared(&(file(&BEFORE) + &after));
        let refused = applied.change(&next, &secrets, &Takes::first(usize::MAX, &scene)).unwrap_err();
        assert!(matches!(&refused, NotApplied::Restart(parts) if *parts == [part]), "{refused:?}");
    }
}
