//! Outputs word by word: what `preview` says without a daemon. `TRYCMD=overwrite` writes them anew.

use xtask::real::{Scratch, bin};

#[test]
fn what_is_said_offline_is_said_word_by_word() {
    let home = Scratch::new().expect("a folder");
    trycmd::TestCases::new()
        .register_bin("preview", bin("preview").expect("built"))
        .env("HOME", home.path().display().to_string())
        .case("tests/it/golden/*.md");
}
