//! What only root can show; elsewhere the refusal is shown instead.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

#[tokio::test]
async fn root_starts_no_task_without_a_user_for_it() {
    let house = House::with(None).await;
    let started = house.tasks.start(new_task(&["true"])).await;
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(matches!(started, Err(TaskFailure::NoUser)), is_root, "{started:?}");
    assert_eq!(started.is_ok(), !is_root, "{started:?}");
}

#[tokio::test]
async fn a_task_has_its_user_s_identity_groups_and_no_rights() {
    let Some(mut house) = nobodys().await else { return };
    house.start(&["sh", "-c", "id -u; id -G; grep CapEff /proc/self/status; echo $HOME; pwd"]).await;
    let exit = house.next_exit().await;
    assert_eq!(exit.task.exit_code, Some(0), "{exit:?}");
    let nobody = nix::unistd::User::from_name("nobody").expect("readable").expect("there");
    assert_eq!(exit.last_lines[0], nobody.uid.to_string());
    assert_eq!(exit.last_lines[1], nobody.gid.to_string());
    assert!(exit.last_lines[2].ends_with("\t0000000000000000"), "{exit:?}");
    assert_eq!(exit.last_lines[3], nobody.dir.to_string_lossy());
    assert_eq!(exit.last_lines[4], "/");
}

#[tokio::test]
async fn a_task_can_open_its_output_anew() {
    let Some(mut house) = nobodys().await else { return };
    house.start(&["sh", "-c", "echo again > /dev/stdout"]).await;
    assert_eq!(house.next_exit().await.last_lines, ["again"]);
}

#[tokio::test]
async fn nothing_that_the_caller_gave_is_loaded_before_the_rights_are_gone() {
    let Some(mut house) = nobodys().await else { return };
    let proof = house.folder.path().join("proof");
    let mut new = new_task(&["sh", "-c", "echo done"]);
    // Each program that the loader runs with this writes into a file of its uid's.
    new.env.insert("LD_DEBUG".into(), "libs".into());
    new.env.insert("LD_DEBUG_OUTPUT".into(), proof.to_string_lossy().into_owned());
    std::fs::set_permissions(house.folder.path(), std::fs::Permissions::from_mode(0o777)).expect("opened");
    house.tasks.start(new).await.expect("started");
    assert_eq!(house.next_exit().await.last_lines, ["done"]);
    let written = std::fs::read_dir(house.folder.path()).expect("readable").filter_map(Result::ok);
    let proofs: Vec<_> =
        written.filter(|entry| entry.file_name().to_string_lossy().starts_with("proof")).collect();
    assert!(!proofs.is_empty());
    for proof in proofs {
        assert_ne!(proof.metadata().expect("there").uid(), 0, "{proof:?} was written by root");
    }
}

#[tokio::test]
async fn a_folder_that_the_user_may_not_enter_is_not_entered_for_them() {
    let Some(mut house) = nobodys().await else { return };
    let inner = house.folder.path().join("closed/open");
    std::fs::create_dir_all(&inner).expect("made");
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(house.folder.path().join("closed"), closed).expect("closed");
    let mut new = new_task(&["ls"]);
    new.cwd = inner.to_string_lossy().into_owned();
    house.tasks.start(new).await.expect("started");
    let exit = house.next_exit().await;
    assert_ne!(exit.task.exit_code, Some(0));
    assert!(exit.last_lines[0].contains("can't cd"), "{exit:?}");
}

async fn nobodys() -> Option<House> {
    if !rustix::process::geteuid().is_root() {
        let house = House::with(Some("root")).await;
        let started = house.tasks.start(new_task(&["true"])).await;
        assert!(matches!(started, Err(TaskFailure::CannotBecome(_))), "{started:?}");
        return None;
    }
    Some(House::with(Some("nobody")).await)
}
