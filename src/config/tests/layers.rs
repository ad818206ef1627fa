//! Which layer wins, and how layers merge.

use super::*;

const LAB: &str = r#"
[[route]]
name = "lab"
upstream = "http://lab:8888"
access = { groups = ["staff"] }
"#;

#[test]
fn the_environment_wins_over_overrides_over_the_file_over_defaults() {
    let title = |place: Place| place.config().ui.title;
    let place = || Place::new().file("labgate.toml", "ui.title = \"file\"");
    assert_eq!(title(Place::new()), "labgate");
    assert_eq!(title(place()), "file");
    let place = || place().file("config-overrides/10-title.toml", "ui.title = \"override\"");
    assert_eq!(title(place()), "override");
    let place = || place().file("config-overrides/20-title.toml", "ui.title = \"later\"");
    assert_eq!(title(place()), "later");
    assert_eq!(
        title(place().variable("LABGATE_UI__TITLE", "variable")),
        "variable"
    );
}

#[test]
fn the_file_is_an_argument_a_variable_or_here() {
    let title = |place: Place| place.config().ui.title;
    let place = || {
        Place::new()
            .file("labgate.toml", "ui.title = \"here\"\nui.notice = \"here\"")
            .file("a.toml", "ui.title = \"a\"\nui.accent = \"#aaaaaa\"")
            .file("b.toml", "ui.title = \"b\"")
    };
    assert_eq!(title(place()), "here");
    assert_eq!(title(place().variable("LABGATE_CONFIG", "a.toml")), "a");
    let both = place()
        .variable("LABGATE_CONFIG", "labgate.toml")
        .argument("a.toml")
        .argument("b.toml")
        .config();
    assert_eq!(both.ui.title, "b", "later files override earlier ones");
    assert_eq!(both.ui.accent, "#aaaaaa");
    assert_eq!(both.ui.notice, None, "only what is named is read");
}

#[test]
fn routes_merge_by_name_and_lists_are_replaced() {
    let config = Place::new()
        .file(
            "labgate.toml",
            format!("{LAB}\n[admin]\nusers = [\"ana\", \"bo\"]"),
        )
        .file(
            "config-overrides/site.toml",
            r#"
            admin.users = ["cy"]
            [[route]]
            name = "more"
            path = "/more"
            upstream = "http://more"
            access = "public"
            [[route]]
            name = "lab"
            title = "The lab"
            "#,
        )
        .config();
    let names: Vec<&str> = config
        .routes
        .iter()
        .map(|route| route.name.as_str())
        .collect();
    assert_eq!(names, ["lab", "more"]);
    assert_eq!(config.routes[0].title, "The lab");
    assert_eq!(config.admin.users, ["cy"]);
}

#[test]
fn an_access_rule_is_replaced_as_a_whole() {
    let place = |over: &str| {
        Place::new()
            .file("labgate.toml", LAB)
            .file(
                "config-overrides/access.toml",
                format!("[[route]]\nname = \"lab\"\n{over}"),
            )
            .config()
    };
    let ana = Access::AnyOf(vec![AccessRule {
        users: vec!["ana".into()],
        ..AccessRule::default()
    }]);
    for over in [
        "access = { users = [\"ana\"] }",
        "[route.access]\nusers = [\"ana\"]",
    ] {
        assert_eq!(route(&place(over)).access, ana, "{over}");
    }
}

#[test]
fn a_path_is_relative_to_the_file_that_names_it() {
    let place = Place::new()
        .file(
            "etc/lab.toml",
            r#"listener = [{ name = "a", address = "[::1]:1", tls = { certificate = "c", key = "/k" } }]"#,
        )
        .argument("etc/lab.toml");
    let config = place.config();
    let Some(Tls::Files(tls)) = config.listeners[0].tls.clone() else {
        panic!()
    };
    assert_eq!(tls.certificate, place.folder.path().join("etc/c"));
    assert_eq!(tls.key, Path::new("/k"));
}

#[test]
fn names_that_others_set_are_not_ours() {
    Place::new()
        .variable("LABGATE_PORT", "tcp://10.0.0.1:80")
        .variable("LABGATE_PORT_8000_TCP_PROTO", "tcp")
        .variable("LABGATE_LOG", "debug")
        .variable("OTHER__NAME", "x")
        .config();
}

#[test]
fn variables_are_named_in_problems() {
    let place = Place::new()
        .file("labgate.toml", LAB)
        .variable("LABGATE_LIMITS__MAX_HEADRS", "50")
        .variable("LABGATE_LIMITS__MAX_HEADERS", "many")
        .variable("LABGATE_SEVER__PUBLIC_URL", "http://a")
        .variable("LABGATE_SERVER__PUBLIC_URL", "")
        .variable("LABGATE_SERVER__PUBLIC_URL__PORT", "1")
        .variable("LABGATE__UI__TITLE", "x")
        .variable("LABGATE_ROUTE__LAB__UPSTREAM", "http://b")
        .variable("LABGATE_ROUTE__LAB__ACCESS", "public")
        .variable("LABGATE_IDENTITY__LOCAL__USER", "ana")
        .variable("LABGATE_TRUST__PROXIES", "10.0.0.1,x");
    insta::assert_snapshot!(place.problems());
}

#[test]
fn all_files_are_told_about_in_the_order_of_the_layers() {
    let place = Place::new()
        .file("b.toml", "x = 1\nui.title = ''")
        .file("a.toml", "y = 2")
        .file("config-overrides/1.toml", "z = 3")
        .file("config-overrides/.2.toml", "not TOML, but hidden")
        .file("config-overrides/readme.md", "not TOML")
        .argument("b.toml")
        .argument("a.toml");
    insta::assert_snapshot!(place.problems());
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let place = Place::new()
        .file("latin.toml", b"# caf\xe9\n")
        .argument("absent.toml")
        .argument("latin.toml")
        .variable("LABGATE_OVERRIDES", "nowhere");
    insta::assert_snapshot!(place.problems());
}

#[test]
fn users_of_an_htpasswd_file_come_after_those_beside_it_and_the_file_is_followed() {
    let hash = format!("$2y$05${}", "a".repeat(53));
    let place = Place::new()
        .file(
            "conf/labgate.toml",
            r#"[identity.local]
htpasswd = "users"
user = [{ name = "bob", password = "correct horse" }]
"#,
        )
        .file("conf/users", format!("ana:{hash}\r\n\n# nobody\ncy:{hash}"))
        .argument("conf/labgate.toml");
    let loaded = place.load().unwrap();
    let users = loaded.config.local_users.iter();
    let users: Vec<_> = users
        .map(|user| (user.name.as_str(), user.source))
        .collect();
    let htpasswd = UserSource::Htpasswd;
    let bob = ("bob", UserSource::Configuration);
    assert_eq!(users, [bob, ("ana", htpasswd), ("cy", htpasswd)]);
    assert_eq!(loaded.config.local_users[1].password.expose(), &hash);
    let file = place.folder.path().join("conf/users");
    assert!(loaded.files.contains(&file), "{:?}", loaded.files);
}
