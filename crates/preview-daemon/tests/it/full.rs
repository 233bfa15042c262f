//! A disk that is full: nothing is half done, and nothing is forgotten.

use serde_json::{Value, json};

use crate::client::Answer;
use crate::house::listen;
use crate::service::Service;

#[test]
fn on_a_full_disk_an_attach_is_refused_and_not_registered_and_works_again_when_there_is_room() {
    let service = Service::start_on_small_disk();
    let client = service.client();
    let (_listener, port) = listen();
    let attach = |name: &str| {
        let body = json!({
            "session_id": "s", "user_id": "u", "name": name, "port": port, "health_check": false,
            "path": format!("/{}", "x".repeat(500)),
        });
        client.call("POST", "/v1/attachments", Some(&body)).expect("it answers")
    };
    let names = || {
        let listed = client.call("GET", "/v1/attachments", None).expect("it answers");
        listed.body["attachments"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| it["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(attach("kept").status, 201);
    let full =
        std::iter::repeat_with(|| attach("kept")).find(|answer| answer.status != 200).expect("it fills");
    assert_eq!((full.status, code(&full)), (507, json!("store_full")), "{}", full.body);
    assert_eq!(code(&attach("late")), json!("store_full"));
    assert_eq!(names(), ["kept"]);

    service.make_room();
    assert_eq!(attach("late").status, 201);
    assert_eq!(names().len(), 2);
    assert_eq!(client.call("GET", "/ready", None).expect("it answers").status, 200);
}

fn code(answer: &Answer) -> Value {
    answer.body["code"].clone()
}
