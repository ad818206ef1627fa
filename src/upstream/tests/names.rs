//! What is remembered of names, with a resolver that says what the test wants.

use std::{collections::VecDeque, net::SocketAddr};

use tokio::{
    sync::oneshot,
    task::yield_now,
    time::{Instant, advance},
};

use super::*;
use crate::upstream::names::{Names, Resolver};

type Said = io::Result<Vec<SocketAddr>>;

/// What each look-up will get; one without an entry waits for ever.
#[derive(Clone, Default)]
struct Book {
    answers: Rc<RefCell<VecDeque<oneshot::Receiver<Said>>>>,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Book {
    fn resolver(&self) -> Resolver {
        let book = self.clone();
        Box::new(move |host| {
            book.asked.borrow_mut().push(host.to_owned());
            let answer = book.answers.borrow_mut().pop_front();
            Box::pin(async move {
                match answer {
                    Some(answer) => answer.await.unwrap(),
                    None => std::future::pending().await,
                }
            })
        })
    }

    /// The next look-up is answered when the test says so.
    fn later(&self) -> oneshot::Sender<Said> {
        let (say, answer) = oneshot::channel();
        self.answers.borrow_mut().push_back(answer);
        say
    }

    fn says(&self, answer: Said) {
        self.later().send(answer).unwrap();
    }

    fn asked(&self) -> usize {
        self.asked.borrow().len()
    }
}

fn at(last: u8) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([127, 0, 0, last], 0))]
}

fn nobody() -> Said {
    Err(io::Error::new(io::ErrorKind::NotFound, "nobody knows it"))
}

async fn found(names: &Names) -> Result<Vec<SocketAddr>, String> {
    let found = names.find("lab").await;
    found
        .map(|addresses| addresses.to_vec())
        .map_err(|error| error.to_string())
}

async fn settled() {
    for _ in 0..10 {
        yield_now().await;
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "local", start_paused = true)]
async fn an_answer_is_good_for_half_a_minute_and_then_renewed_behind_the_requests() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    book.says(Ok(at(1)));
    assert_eq!(found(&names).await, Ok(at(1)));
    advance(29 * SECOND).await;
    assert_eq!(found(&names).await, Ok(at(1)));
    assert_eq!(book.asked(), 1);

    advance(SECOND).await;
    book.says(Ok(at(2)));
    let before = Instant::now();
    assert_eq!(found(&names).await, Ok(at(1)), "nobody waits");
    assert_eq!(before, Instant::now());
    settled().await;
    assert_eq!(found(&names).await, Ok(at(2)));
    assert_eq!(book.asked(), 2);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn without_a_resolver_the_old_answer_lasts_for_five_minutes() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    book.says(Ok(at(1)));
    found(&names).await.unwrap();
    advance(299 * SECOND).await;
    book.says(nobody());
    assert_eq!(found(&names).await, Ok(at(1)));
    settled().await;
    assert_eq!(found(&names).await, Ok(at(1)));
    assert_eq!(book.asked(), 2, "a failure is believed for a second");
    advance(SECOND).await;
    book.says(nobody());
    assert_eq!(found(&names).await, Err("nobody knows it".to_owned()));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_failure_is_believed_for_a_second() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    book.says(nobody());
    book.says(Ok(Vec::new()));
    book.says(Ok(at(1)));
    for asked in [1, 1] {
        assert!(found(&names).await.is_err());
        assert_eq!(book.asked(), asked);
    }
    advance(SECOND).await;
    assert!(found(&names).await.is_err(), "no address is a failure too");
    advance(SECOND).await;
    assert_eq!(found(&names).await, Ok(at(1)));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn many_who_ask_for_one_name_are_one_look_up() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    let answer = book.later();
    let asking = async { tokio::join!(found(&names), found(&names), found(&names)) };
    let answering = async {
        settled().await;
        answer.send(Ok(at(1))).unwrap();
    };
    let (all, ()) = tokio::join!(asking, answering);
    assert_eq!(all, (Ok(at(1)), Ok(at(1)), Ok(at(1))));
    assert_eq!(book.asked(), 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn who_gives_up_waiting_takes_nothing_from_the_others() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    let answer = book.later();
    let gone = tokio::time::timeout(SECOND, found(&names)).await;
    assert!(gone.is_err());
    answer.send(Ok(at(1))).unwrap();
    assert_eq!(found(&names).await, Ok(at(1)));
    assert_eq!(book.asked(), 1);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_doubted_answer_is_given_only_when_there_is_no_newer() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    book.says(Ok(at(1)));
    found(&names).await.unwrap();
    assert!(!names.doubt("lab"), "it has only just come");
    assert!(!names.doubt("unknown"));
    advance(SECOND).await;
    assert!(names.doubt("lab"));
    book.says(nobody());
    assert_eq!(found(&names).await, Ok(at(1)));
    advance(SECOND).await;
    book.says(Ok(at(2)));
    assert_eq!(found(&names).await, Ok(at(2)));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn only_so_many_names_are_remembered() {
    let book = Book::default();
    let names = Names::new(book.resolver());
    for number in 0..257 {
        book.says(Ok(at(1)));
        names.find(&format!("host-{number}")).await.unwrap();
        advance(Duration::from_millis(1)).await;
    }
    names.find("host-1").await.unwrap();
    assert_eq!(book.asked(), 257);
    book.says(Ok(at(1)));
    names.find("host-0").await.unwrap();
    assert_eq!(book.asked(), 258, "the oldest was forgotten");
}

#[tokio::test(flavor = "local")]
async fn an_upstream_that_moved_is_found_by_the_request_that_misses_it() {
    let origin = Origin::answering(OK).await;
    let book = Book::default();
    let pool = Pool::<TestBody>::with_resolver(options(), book.resolver());
    let lab = http("lab", origin.port());
    // Nobody listens there: only 127.0.0.1 is bound.
    book.says(Ok(at(77)));
    let error = pool.send(&lab, get("/"), &timeouts(), &told()).await;
    assert!(matches!(error, Err(Error::Connect { .. })), "{error:?}");
    tokio::time::pause();
    advance(2 * SECOND).await;
    tokio::time::resume();
    book.says(Ok(at(1)));
    let answer = pool.send(&lab, get("/"), &timeouts(), &told()).await;
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    assert_eq!(book.asked(), 2);
}
