//! What needs no daemon.

use crate::home::{Home, complaint};

#[test]
fn every_code_is_explained_with_cause_and_cure() {
    let home = Home::new();
    let list = home.told(&["explain"]);
    assert!(list.lines().count() > 25, "{list}");
    for code in list.lines().filter_map(|line| line.split('\t').next()) {
        let text = home.told(&["explain", code]);
        assert!(text.starts_with(code) && text.contains("help: "), "{text}");
    }
}

#[test]
fn a_misspelt_key_is_shown_in_its_line_with_what_was_meant() {
    let home = Home::new();
    home.write("wrong.yaml", "web_preview:\n  public_url_tempate: \"http://x\"\n");
    let text = home.refused(&["config", "check", "--config", "wrong.yaml"], 2);
    assert!(text.starts_with("config_invalid × wrong.yaml:2:3: unknown key `public_url_tempate`"), "{text}");
    assert!(text.contains("did you mean `public_url_template`?"), "{text}");
    assert!(text.contains("2 │   public_url_tempate: \"http://x\"\n  ·   ──────────────────\n"), "{text}");
}

#[test]
fn a_value_that_only_the_edge_can_judge_is_found_by_config_check() {
    let home = Home::new();
    home.write("wrong.yaml", "web_preview:\n  edge: { https: nowhere }\n");
    let text = home.refused(&["config", "check", "--config", "wrong.yaml"], 2);
    assert!(text.contains("`edge.https`") && text.contains("wrong.yaml:2:11"), "{text}");
}

#[test]
fn config_show_says_where_each_value_comes_from() {
    let home = Home::with("  limits: { per_session: 3 }\n");
    let text = home.told(&["config", "show"]);
    assert!(text.contains("limits.per_session\t3\t~/.config/preview/config.yaml:4:13\n"), "{text}");
    assert!(text.contains("limits.per_user\t20\tdefault\n"), "{text}");
    let json = home.json(&["config", "show"]);
    assert_eq!(json["limits.per_session"]["value"], 3);
    assert_eq!(json["idle.after"]["value"], "30m");
}

#[test]
fn a_configuration_file_that_is_named_must_be_there() {
    let home = Home::new();
    let text = home.refused(&["config", "show", "--config", "nowhere.yaml"], 2);
    assert!(text.contains("nowhere.yaml"), "{text}");
}

#[test]
fn completions_and_manual_name_every_subcommand() {
    let home = Home::new();
    let verbs = [
        "run",
        "up",
        "attach",
        "detach",
        "ls",
        "show",
        "open",
        "logs",
        "rotate",
        "revoke",
        "share",
        "visibility",
        "route",
    ];
    for shell in ["bash", "zsh", "fish"] {
        let text = home.told(&["completions", shell]);
        assert!(verbs.iter().all(|verb| text.contains(verb)), "{shell}");
    }
    let manual = home.told(&["man"]);
    assert!(manual.contains(".TH preview 1") && verbs.iter().all(|verb| manual.contains(verb)));
    home.told(&["man", "--out", "pages"]);
    assert!(verbs.iter().all(|verb| home.path().join(format!("pages/preview-{verb}.1")).is_file()));
}

#[test]
fn colour_is_for_terminals_and_for_whoever_asks() {
    let home = Home::new();
    let plain = home.preview(&["explain", "no_such_thing_at_all"]);
    assert!(!complaint(&plain).contains('\x1b'));
    let asked = home.preview(&["--color", "always", "explain", "no_such_thing_at_all"]);
    assert!(complaint(&asked).contains('\x1b'));
}

#[test]
fn an_error_in_json_is_the_problem_that_the_api_would_answer() {
    let home = Home::new();
    let output = home.preview(&["--json", "ls"]);
    assert!(output.stdout.is_empty());
    let problem: serde_json::Value = serde_json::from_slice(&output.stderr).expect("one object");
    assert_eq!(problem["code"], "daemon_unreachable");
    assert_eq!(problem["status"], 503);
    assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains("preview up")));
}

#[test]
fn the_configurations_of_the_certificates_guide_can_be_used_and_planned() {
    let home = Home::new();
    let guide = include_str!("../../../../docs/certificates.md");
    let blocks: Vec<&str> =
        guide.split("```yaml\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    let (common, solvers) = (blocks[0], &blocks[1..4]);
    for solver in solvers {
        home.write("guide.yaml", &format!("{common}{solver}"));
        home.told(&["config", "check", "--config", "guide.yaml"]);
        let plan = home.told(&["certs", "plan", "--config", "guide.yaml"]);
        assert!(plan.contains("*.preview.example.com\tA\t300\t"), "{plan}");
    }
}

#[test]
fn no_other_proxy_is_given_the_place_of_an_edge_that_asks_a_login() {
    let login = "  access: { mode: forward, forward_url: \"http://127.0.0.1:4180/\" }\n";
    let home = Home::bare(&format!("  public_url_template: \"http://{{id}}.preview.test\"\n{login}"));
    for proxy in ["nginx", "caddy", "haproxy"] {
        let text = home.refused(&["render", proxy], 2);
        assert!(text.contains("access.mode forward") && text.contains("preview render traefik"), "{text}");
    }
    let home = Home::bare(&format!(
        "  public_url_template: \"http://preview-{{port}}.preview.test\"\n{login}  edge: {{ mode: static }}\n"
    ));
    assert!(
        home.refused(&["render", "nginx"], 2).contains("access.mode forward"),
        "it would let everybody in"
    );
}
