//! Which layer counts, and what is read.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use aegis_config::{Flag, Loaded, Origin, Places, Report, Value, load};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// A directory that stands for `/`.
struct Root(TempDir);

impl Root {
    fn with(files: &[(&str, &str)]) -> Self {
        let root = Self(TempDir::new().unwrap());
        for (name, text) in files {
            root.write(name, text);
        }
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Its modes do not depend on the umask.
    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    fn places(&self) -> Places {
        Places { root: Some(self.0.path().to_owned()), file: None }
    }

    fn load(&self) -> Result<Loaded, Report> {
        load(&self.places(), &[], &[])
    }

    fn codes(&self) -> Vec<&'static str> {
        codes(&self.load().unwrap_err())
    }
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.located().map(|found| found.code).collect()
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// All layers of files, the lower first. The value of `events.per_second` is the number of the layer.
const LAYERS: [(&str, &str); 6] = [
    ("usr/lib/aegisbpf/conf.d/10-a.toml", "[events]\nper_second = 0\n"),
    ("usr/lib/aegisbpf/conf.d/20-a.toml", "[events]\nper_second = 1\n"),
    ("etc/aegisbpf/config.toml", "[events]\nper_second = 2\n"),
    ("etc/aegisbpf/conf.d/10-a.toml", "[events]\nper_second = 3\n"),
    ("etc/aegisbpf/conf.d/9-a.toml", "[events]\nper_second = 4\n"),
    ("run/aegisbpf/conf.d/0.toml", "# a comment\n[events]\nper_second = 5\n"),
];

#[test]
fn each_layer_goes_before_those_below_it() {
    let root = Root::with(&[]);
    assert_eq!(root.load().unwrap().settings, aegis_config::Settings::default());
    for (number, (name, text)) in LAYERS.iter().enumerate() {
        root.write(name, text);
        let loaded = root.load().unwrap();
        assert_eq!(loaded.settings.events.per_second as usize, number);
        assert_eq!(loaded.sources.len(), number + 1);
        let line = text.lines().count();
        assert_eq!(*loaded.origins.of("events.per_second"), Origin::File { path: root.path(name), line });
    }
    let variables =
        variables(&[("AEGISBPF__EVENTS__PER_SECOND", "6"), ("AEGISBPF_LOG", "warn"), ("PATH", "/bin")]);
    let loaded = load(&root.places(), &variables, &[]).unwrap();
    assert_eq!(loaded.settings.events.per_second, 6);
    assert_eq!(loaded.origins.of("events.per_second").to_string(), "$AEGISBPF__EVENTS__PER_SECOND");
    let flag = Flag {
        key: "events.per_second",
        option: "--events-per-second 7".to_owned(),
        value: Value::Integer(7),
    };
    let loaded = load(&root.places(), &variables, &[flag]).unwrap();
    assert_eq!(loaded.settings.events.per_second, 7);
    assert_eq!(loaded.origins.of("events.per_second").to_string(), "--events-per-second 7");
    assert_eq!(*loaded.origins.of("events.ring_bytes"), Origin::BuiltIn);
}

#[test]
fn tables_merge_and_lists_replace() {
    let root = Root::with(&[
        (
            "etc/aegisbpf/config.toml",
            "policy.files = [\"/a\", \"/b\"]\npolicy.mode = \"observe\"\nsinks.file.path = \"/c\"\n",
        ),
        (
            "etc/aegisbpf/conf.d/1.toml",
            "[policy]\nfiles = [\"/d\"]\n[sinks.file]\nwhen_full = \"drop_oldest\"\n",
        ),
        ("run/aegisbpf/conf.d/1.toml", "[survival]\ncgroups = [\"/e\"]\n"),
        ("run/aegisbpf/conf.d/2.toml", "[survival]\ncgroups = []\n"),
    ]);
    let loaded = root.load().unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.policy.files, [PathBuf::from("/d")]);
    assert_eq!(settings.policy.mode, aegis_config::Mode::Observe);
    assert_eq!(settings.sinks.file.path, Some("/c".into()));
    assert_eq!(settings.sinks.file.when_full, aegis_config::WhenFull::DropOldest);
    assert_eq!(settings.survival.cgroups, [""; 0]);
    let origin = |key| loaded.origins.of(key).to_string();
    assert!(origin("sinks.file.path").ends_with("etc/aegisbpf/config.toml:3"));
    assert!(origin("sinks.file.when_full").ends_with("conf.d/1.toml:4"));
    assert!(origin("survival.cgroups").ends_with("run/aegisbpf/conf.d/2.toml:2"));
}

#[test]
fn variables_are_read_as_their_keys_need_them() {
    let rows = [
        ("AEGISBPF__POLICY__FILES", "/a", "policy.files", "[\"/a\"]"),
        ("AEGISBPF__POLICY__FILES", "[\"/a\", '/b,c']", "policy.files", "[\"/a\", \"/b,c\"]"),
        ("AEGISBPF__POLICY__FILES", "", "policy.files", "[]"),
        ("AEGISBPF__POLICY__WATCH", "false", "policy.watch", "false"),
        ("AEGISBPF__DAEMON__LOG", "info,aegis_actors=debug", "daemon.log", "\"info,aegis_actors=debug\""),
        ("AEGISBPF__METRICS__LISTEN", "[::1]:9464", "metrics.listen", "\"[::1]:9464\""),
        ("AEGISBPF__SINKS__STDOUT__WHEN_FULL", "wait", "sinks.stdout.when_full", "\"wait\""),
    ];
    for (name, value, key, shown) in rows {
        let loaded = load(&Root::with(&[]).places(), &variables(&[(name, value)]), &[]).unwrap();
        let (_, key) = key.rsplit_once('.').unwrap();
        let text = aegis_config::dump(&loaded, true);
        assert!(text.contains(&format!("{key} = {shown} # from ${name}\n")), "{text}");
    }
}

/// Those of the C++ AegisBPF.
#[test]
fn their_variables_are_taken_where_ours_say_nothing() {
    for (name, value, key, shown) in [
        ("AEGIS_POLICY", "/a", "files", "[\"/a\"]"),
        ("AEGIS_KEYS_DIR", "/keys", "directory", "\"/keys\""),
        ("AEGIS_REQUIRE_SIGNATURE", "1", "require_signature", "true"),
        ("AEGIS_REQUIRE_SIGNATURE", "true", "require_signature", "true"),
        ("AEGIS_REQUIRE_SIGNATURE", "0", "require_signature", "false"),
    ] {
        let loaded = load(&Root::with(&[]).places(), &variables(&[(name, value)]), &[]).unwrap();
        let text = aegis_config::dump(&loaded, true);
        assert!(text.contains(&format!("{key} = {shown} # from ${name}\n")), "{text}");
    }
    let both = [("AEGIS_POLICY", "/theirs"), ("AEGISBPF__POLICY__FILES", "/ours"), ("AEGIS_KEYS_DIR", "")];
    let loaded = load(&Root::with(&[]).places(), &variables(&both), &[]).unwrap();
    assert_eq!(loaded.settings.policy.files, [PathBuf::from("/ours")]);
    assert_eq!(*loaded.origins.of("trust.directory"), Origin::BuiltIn);
    let wrong = variables(&[("AEGIS_REQUIRE_SIGNATURE", "perhaps")]);
    let report = load(&Root::with(&[]).places(), &wrong, &[]).unwrap_err().render(false);
    assert!(report.contains("AEGIS_REQUIRE_SIGNATURE=perhaps"), "{report}");
}

#[test]
fn other_files_are_none_of_ours() {
    let root = Root::with(&[
        ("etc/aegisbpf/conf.d/notes.txt", "="),
        ("etc/aegisbpf/conf.d/.1.toml.swp", "="),
        ("etc/aegisbpf/conf.d/.1.toml", "="),
        ("etc/aegisbpf/conf.d/1.toml~", "="),
        ("etc/aegisbpf/default.toml", "="),
    ]);
    assert!(root.load().unwrap().sources.is_empty());
}

#[test]
fn another_file_takes_the_place_of_the_main_one() {
    let root = Root::with(&LAYERS[..3]);
    root.write("other.toml", "[events]\nring_bytes = 8192\n");
    let places = Places { file: Some(root.path("other.toml")), ..root.places() };
    let loaded = load(&places, &[], &[]).unwrap();
    assert_eq!((loaded.settings.events.per_second, loaded.settings.events.ring_bytes), (1, 8192));
    let places = Places { file: Some(root.path("absent.toml")), ..root.places() };
    let report = load(&places, &[], &[]).unwrap_err();
    assert_eq!(codes(&report), ["unreadable"]);
    assert!(report.to_string().contains("absent.toml"), "{report}");
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let root = Root::with(&[]);
    fs::create_dir_all(root.path("etc/aegisbpf/config.toml")).unwrap();
    fs::write(root.path("etc/aegisbpf/conf.d"), "").unwrap();
    assert_eq!(root.codes(), ["unreadable", "unreadable"]);
    let root = Root::with(&[]);
    root.write("etc/aegisbpf/conf.d/1.toml", "");
    fs::write(root.path("etc/aegisbpf/conf.d/1.toml"), [b'#', 0xff]).unwrap();
    assert_eq!(root.codes(), ["unreadable"]);
    root.write("etc/aegisbpf/conf.d/1.toml", &"#".repeat(1024 * 1024 + 1));
    assert_eq!(root.codes(), ["unreadable"]);
}

#[test]
fn who_can_write_the_configuration_must_be_root() {
    let root = Root::with(&LAYERS);
    let rows = [
        ("etc/aegisbpf/config.toml", 0o664, "chmod go-w"),
        ("etc/aegisbpf/conf.d/9-a.toml", 0o646, "its mode is 646"),
        ("run/aegisbpf/conf.d", 0o777, "can change the directory"),
    ];
    for (name, mode, said) in rows {
        let before = fs::metadata(root.path(name)).unwrap().permissions();
        fs::set_permissions(root.path(name), Permissions::from_mode(mode)).unwrap();
        let report = root.load().unwrap_err();
        assert_eq!(codes(&report), ["untrusted"], "{report}");
        let text = report.to_string();
        assert!(
            text.contains(said) && text.contains(name) && text.contains("switch off the agent"),
            "{text}"
        );
        fs::set_permissions(root.path(name), before).unwrap();
    }
    // Only the owner of a file can put another one there.
    fs::set_permissions(root.path("run/aegisbpf/conf.d"), Permissions::from_mode(0o1777)).unwrap();
    root.load().unwrap();
    if std::os::unix::fs::chown(root.path("etc/aegisbpf/config.toml"), Some(1234), None).is_ok() {
        let report = root.load().unwrap_err();
        assert!(report.to_string().contains("belongs to the user 1234"), "{report}");
    }
}
