//! Sets that are not taken, and what stays live.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_set_leaves_the_last_good_one_and_is_told_until_it_is_mended() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(directory.settings());
    let good = running.until(Status::is_decided).await.live;

    directory.write("b.error.js", "broken");
    let status = running.until(|status| status.rejected.is_some()).await;
    let rejected = status.rejected.unwrap();
    assert_eq!((status.live, rejected.id == good), (good, false));
    assert_eq!(rejected.errors[0].to_string(), "b.error.js:1:1: is broken");

    fs::remove_file(directory.at("b.error.js")).unwrap();
    let status = running.until(|status| status.rejected.is_none()).await;
    assert_eq!(
        (status.live, running.loads()),
        (good, 1),
        "it was live all the time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_panics_refuses_the_set_and_the_next_one_is_loaded() {
    let directory = Directory::with(&[("panic.request.js", "")]);
    let running = Running::on(directory.settings());
    let status = running.until(Status::is_decided).await;
    assert!(
        status.rejected.unwrap().errors[0]
            .message
            .contains("panicked")
    );

    fs::rename(
        directory.at("panic.request.js"),
        directory.at("a.request.js"),
    )
    .unwrap();

    running.until_live("a.request.js", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_directory_leaves_the_last_good_set() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(Settings {
        allow_empty: true,
        ..directory.settings()
    });
    let good = running.until(Status::is_decided).await.live;

    fs::remove_file(directory.at("a.request.js")).unwrap();
    let emptied = running.until(|status| status.rejected.is_some()).await;
    assert!(
        emptied.rejected.unwrap().errors[0]
            .message
            .contains("no handlers")
    );

    fs::remove_dir(directory.at("")).unwrap();
    let gone = |status: &Status| status.rejected.as_ref().is_some_and(|one| one.id.is_none());
    assert_eq!(running.until(gone).await.live, good);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_may_be_empty_on_purpose() {
    let directory = Directory::new();
    let running = Running::on(Settings {
        allow_empty: true,
        ..directory.settings()
    });

    assert!(running.until(Status::is_decided).await.live.is_some());

    directory.write("a.request.js", "1");
    running.until_live("a.request.js", "1").await;
}
