//! Serves a page to this machine's browser: takes connections, hands requests over, and is held up by nobody.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use crate::review::page::{MOST_IN_BODY, Site, refuse};

/// How long a client may take for the head of a request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a client may take for the body of a request.
const BODY: Duration = Duration::from_secs(10);
/// How long a connection may last.
const CONNECTION: Duration = Duration::from_secs(30);
/// The most connections at a time; beyond them the oldest is closed.
const CONNECTIONS: usize = 128;

/// Serves a site until it has ended, or until `end` says that somebody wants that. Gives the site back.
pub(super) fn serve(listener: TcpListener, site: Site, end: impl Future<Output = bool>) -> io::Result<Site> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let site = Rc::new(RefCell::new(site));
    {
        let tasks = LocalSet::new();
        tasks.block_on(&runtime, listen(listener, &site, end))?;
        // Connections that are still open end with their tasks.
    }
    drop(runtime);
    Rc::into_inner(site)
        .map(RefCell::into_inner)
        .ok_or_else(|| io::Error::other("a connection of the page did not end"))
}

async fn listen(listener: TcpListener, site: &Rc<RefCell<Site>>, end: impl Future<Output = bool>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let over = Rc::new(Notify::new());
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    let mut end = pin!(end);
    let mut can_hear = true;
    loop {
        tokio::select! {
            heard = &mut end, if can_hear => {
                if heard {
                    return Ok(());
                }
                can_hear = false;
            }
            () = over.notified() => return Ok(()),
            accepted = listener.accept() => {
                // Out of files, or a client that went away: neither ends the review.
                let Ok((stream, _)) = accepted else {
                    sleep(Duration::from_millis(50)).await;
                    continue;
                };
                open.retain(|task| !task.is_finished());
                if open.len() >= CONNECTIONS && let Some(oldest) = open.pop_front() {
                    oldest.abort();
                }
                open.push_back(spawn_local(connection(stream, Rc::clone(site), Rc::clone(&over))).abort_handle());
            }
        }
    }
}

async fn connection(stream: TcpStream, site: Rc<RefCell<Site>>, over: Rc<Notify>) {
    let service = service_fn(|request| {
        let site = Rc::clone(&site);
        async move { Ok::<_, Infallible>(answer(&site, request).await) }
    });
    // A request a connection: an idle one would hold a place.
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever went wrong went wrong for this client alone.
    let _ = timeout(CONNECTION, served).await;
    if site.borrow().has_ended() {
        over.notify_one();
    }
}

async fn answer(site: &RefCell<Site>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let admitted = site.borrow().admit(&parts);
    let reply = match admitted {
        Err(refusal) => *refusal,
        Ok(route) => match timeout(BODY, Limited::new(body, MOST_IN_BODY).collect()).await {
            Ok(Ok(body)) => site.borrow_mut().answer(route, &body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => refuse(StatusCode::PAYLOAD_TOO_LARGE),
            Ok(Err(_)) => refuse(StatusCode::BAD_REQUEST),
            Err(_) => refuse(StatusCode::REQUEST_TIMEOUT),
        },
    };
    reply.map(|body| Full::new(Bytes::from(body)))
}
