use super::*;
use proptest::prelude::*;

#[test]
fn the_seeds_template_works_as_it_stands() {
    let template = template("https://preview-{port}.preview.digitorn.cloud");
    let rendered = render(&template, "frontend", 3001);
    assert_eq!(rendered.origin, "https://preview-3001.preview.digitorn.cloud");
    assert_eq!(rendered.host, "preview-3001.preview.digitorn.cloud");
    assert_eq!(template.wildcard_names(), ["*.preview.digitorn.cloud"]);
    assert!(template.is_guessable());
}

#[test]
fn without_an_edge_the_port_may_be_the_placeholder() {
    let template = template("http://{host}:{port}");
    assert_eq!(render(&template, "a", 5173).origin, "http://localhost:5173");
    assert_eq!(template.wildcard_names(), ["localhost"]);
    assert_eq!(template.public_port(), None);
}

#[test]
fn a_template_with_app_id_refuses_an_attachment_without_one() {
    let template = template("https://{app_id}-{name}.example.com");
    let name = Name::unnamed();
    let session = SessionId::new("s").expect("valid");
    let node = NodeId::new("n").expect("valid");
    let facts = Facts {
        id: AttachmentId::from_entropy([0; 17]),
        name: &name,
        session: &session,
        app: None,
        port: "3000".parse().expect("valid"),
        node: &node,
    };
    assert_eq!(template.render(&facts), Err(MissingAppId));
}

#[test]
fn another_public_port_is_rendered_into_it() {
    let template =
        template("http://preview-{port}.localhost:8080").with_public_port("8081".parse().expect("valid"));
    assert_eq!(template.as_str(), "http://preview-{port}.localhost:8081");
    assert_eq!(render(&template, "a", 3000).origin, "http://preview-3000.localhost:8081");
    assert_eq!(template.as_str().parse::<UrlTemplate>().as_ref(), Ok(&template));
}

#[test]
fn static_mode_reads_the_port_back_and_nothing_else() {
    let template = template("https://preview-{port}.example.com");
    assert_eq!(template.port_of("preview-3001.example.com").map(Port::get), Some(3001));
    for host in [
        "preview-03001.example.com",
        "preview-+3001.example.com",
        "preview-.example.com",
        "preview-99999.example.com",
        "preview-3001.example.com.evil.test",
        "x.preview-3001.example.com",
        "example.com",
    ] {
        assert_eq!(template.port_of(host), None, "{host}");
    }
}

#[test]
fn what_could_be_rendered_is_told_from_what_could_not() {
    let template = template("https://{id}.preview.example.com");
    assert!(template.could_render("abcdefghijklmnopqrstuvwxyz.preview.example.com"));
    assert!(!template.could_render("www.preview.example.com"));
    assert!(!template.could_render("abcdefghijklmnopqrstuvwxyz.example.com"));
}

#[test]
fn refusals_show_the_place() {
    let refused = |text: &str| text.parse::<UrlTemplate>().expect_err(text);
    assert_eq!(
        refused("https://preview-{prot}.example.com").to_string(),
        "public_url_template unknown placeholder {prot}, there are {port} {id} {name} {session_id} {app_id} {host} \
         {node}\n  https://preview-{prot}.example.com\n                  ^"
    );
    let cases = [
        ("ftp://{id}.example.com", TemplateProblem::Scheme),
        ("https://", TemplateProblem::NoHost),
        ("https://user@{id}.example.com", TemplateProblem::UserInfo),
        ("https://{id}.example.com/app", TemplateProblem::Tail),
        ("https://{id}.example.com?x", TemplateProblem::Tail),
        ("https://{id.example.com", TemplateProblem::Unclosed),
        ("https://id}.example.com", TemplateProblem::Unclosed),
        ("https://{id}.exa_mple.com", TemplateProblem::Character('_')),
        ("https://{id}..com", TemplateProblem::Label),
        ("https://-{id}.example.com", TemplateProblem::Label),
        ("https://{name}.{session_id}.example.com", TemplateProblem::NotFirst),
        ("https://app.{id}.example.com", TemplateProblem::NotFirst),
        ("https://preview.example.com", TemplateProblem::NotDistinct),
        ("https://{session_id}.example.com", TemplateProblem::NotDistinct),
        ("https://{id}-{name}-{session_id}.example.com", TemplateProblem::TooLong(88)),
        ("https://{id}.example.com:0", TemplateProblem::Port),
        ("https://{id}.example.com:{id}", TemplateProblem::Port),
    ];
    for (text, problem) in cases {
        assert_eq!(refused(text).problem, problem, "{text}");
    }
}

#[test]
fn names_are_reduced_to_dns_letters() {
    assert_eq!(reduce("My App_2"), "my-app-2");
    assert_eq!(reduce("--__"), "x");
    assert_eq!(reduce("Ünïcode"), "n-code");
    assert_eq!(reduce(&"a-".repeat(40)).len(), 29);
}

proptest! {
    #[test]
    fn what_is_rendered_is_a_host_name_that_could_be_rendered(
        which in 0..TEMPLATES.len(), name in "[ -.0-~]{1,64}", port in 1..=u16::MAX
    ) {
        let template = template(TEMPLATES[which]);
        let rendered = render(&template, &name, port);
        prop_assert!(template.could_render(&rendered.host), "{}", rendered.host);
        prop_assert!(rendered.host.split('.').all(|label| (1..=63).contains(&label.len())));
        prop_assert!(rendered.host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')));
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "(https?://)?[{}a-z._:/@-]{0,40}|.{0,60}") {
        match text.parse::<UrlTemplate>() {
            Ok(template) => prop_assert_eq!(template.as_str(), text),
            Err(error) => prop_assert!(error.to_string().contains('^')),
        }
    }
}

const TEMPLATES: &[&str] = &[
    "https://preview-{port}.example.com",
    "https://{id}.example.com",
    "http://{name}-{session_id}.localhost:8080",
    "https://{name}-{node}.example.com",
    "https://x-{port}-{name}.example.com",
];

fn template(text: &str) -> UrlTemplate {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn render(template: &UrlTemplate, name: &str, port: u16) -> Rendered {
    let facts = Facts {
        id: AttachmentId::from_entropy([3; 17]),
        name: &Name::new(name).expect("valid"),
        session: &SessionId::new("s:1").expect("valid"),
        app: None,
        port: Port::new(port).expect("not zero"),
        node: &NodeId::new("node-a").expect("valid"),
    };
    template.render(&facts).expect("no app_id in it")
}
