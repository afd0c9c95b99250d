//! Reloads that somebody asks for and waits for.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_does_not_wait_for_quiet_and_tells_what_came_of_it() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(Settings {
        settle: NEVER,
        ..directory.settings()
    });

    let first = running.reloads.request().await.unwrap();
    assert_eq!(running.reloads.status().borrow().live, Some(first));

    directory.write("a.request.js", "2");
    let second = running.reloads.request().await.unwrap();
    assert_ne!(first, second);
    assert_eq!(running.last().unwrap(), [file("a.request.js", "2")]);

    directory.write("a.request.js", "broken");
    let rejected = refused(&running).await;
    assert_eq!(
        rejected.errors[0].to_string(),
        "a.request.js:1:1: is broken"
    );
    let again = refused(&running).await;
    assert_eq!(again.since, rejected.since, "it has been broken since then");
    assert_eq!(running.reloads.status().borrow().live, Some(second));
}

pub(super) async fn refused(running: &Running) -> Rejected {
    match running.reloads.request().await {
        Err(ReloadError::Rejected(rejected)) => rejected,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_while_too_many_wait_is_told_so_at_once() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let (gate, load) = std::sync::mpsc::channel::<()>();
    let (reload_loop, reloads) = ReloadLoop::new(directory.settings(), move |_| {
        load.recv().ok(); // until the gate is gone
        Ok(())
    });
    tokio::spawn(reload_loop.run());

    let ask = || {
        let reloads = reloads.clone();
        tokio::spawn(async move { reloads.request().await })
    };
    let waiting: Vec<_> = (0..MOST_WAITING).map(|_| ask()).collect();
    while reloads.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reloads.request().await, Err(ReloadError::Busy));

    drop(gate);
    for request in waiting {
        let answer = timeout(PATIENCE, request).await.expect("it is answered");
        assert!(answer.unwrap().is_ok());
    }
    assert!(reloads.request().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_are_all_answered() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let running = Running::on(directory.settings());

    let requests: Vec<_> = (0..20)
        .map(|_| {
            let reloads = running.reloads.clone();
            tokio::spawn(async move { reloads.request().await.unwrap() })
        })
        .collect();
    for request in requests {
        timeout(PATIENCE, request)
            .await
            .expect("it is answered")
            .unwrap();
    }

    assert_eq!(running.loads(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_end_when_nobody_holds_them() {
    let directory = Directory::with(&[("a.request.js", "1")]);
    let (reload_loop, reloads) = ReloadLoop::new(directory.settings(), |_| Ok(()));
    let running = tokio::spawn(reload_loop.run());

    drop(reloads);

    timeout(PATIENCE, running).await.expect("it ends").unwrap();
}
