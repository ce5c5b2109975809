#![forbid(unsafe_code)]
//! For programs without a server: a thread and a runtime of its own.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::answer::{self, Answer};
use super::respond::{MAX_BODY_BYTES, body_too_large};
use super::work::{self, Worker};
use super::{Cancellation, Pprof};
use crate::error::Error;
use crate::record::thread;

/// Connections served at a time, those beyond that are told so, and those that wait
/// in the kernel (of more than it has places for, it resets some).
const CONNECTIONS: usize = 64;
const REFUSALS: usize = 64;
const WAITING: u32 = 1024;

/// Threads for what takes a time: enough for all that may be under way, and some to
/// say no. One that is idle for longer than scrapers ever are ends.
const BLOCKING_THREADS: usize = 16;
const IDLE_TIME: Duration = Duration::from_secs(600);

const MAX_HEAD_BYTES: usize = 64 << 10;
const HEAD_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(10);
const CLOSING_TIME: Duration = Duration::from_millis(500);

/// What making an answer and sending it may take beyond the seconds asked for.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Serves `/debug/pprof` at an address of this machine: [`Pprof::serve`] with
/// everything as it is by default.
///
/// ```no_run
/// # fn main() -> Result<(), heapprof::Error> {
/// heapprof::http::serve("127.0.0.1:8282")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of [`Pprof::serve`].
pub fn serve(address: impl ToSocketAddrs) -> Result<Server, Error> {
    Pprof::new().serve(address)
}

/// A server under way. It goes on when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl Pprof {
    /// Serves on a thread of its own, with a small runtime of its own, until
    /// [`Server::shutdown`] or the end of the program.
    ///
    /// Costs nothing but memory (the thread's stack, as far as it is used) while
    /// nobody asks. The guards are listed [here](super#guards).
    ///
    /// # Errors
    ///
    /// [`Error::BeyondLoopback`] for an address that other machines can reach,
    /// unless [that was allowed](Self::listen_beyond_loopback); [`Error::Serve`] if
    /// the address cannot be listened on, or no thread started.
    pub fn serve(mut self, address: impl ToSocketAddrs) -> Result<Server, Error> {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(Error::Serve)?.collect();
        let is_loopback = |address: &&SocketAddr| address.ip().to_canonical().is_loopback();
        match addresses.iter().find(|address| !is_loopback(address)) {
            None => self.hosts.are_checked = true,
            Some(_) if self.listens_beyond_loopback => {}
            Some(&address) => return Err(Error::BeyondLoopback(address)),
        }
        self.listen(&addresses).map_err(Error::Serve)
    }

    fn listen(self, addresses: &[SocketAddr]) -> io::Result<Server> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_keep_alive(IDLE_TIME)
            .thread_name("heapprof-wait")
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            listen(addresses)?
        };
        let address = listener.local_addr()?;
        let worker = Worker::start("heapprof-answer")?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("heapprof-http".into())
            .spawn(move || run(&runtime, &listener, &self, worker, &stopped))?;
        Ok(Server {
            address,
            stop,
            thread,
        })
    }
}

impl Server {
    /// Where it listens: of port 0, the port that was free.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, ends what is under way, and waits until the thread has
    /// ended: milliseconds.
    pub fn shutdown(self) {
        self.stop.notify_one();
        // It ends by itself, or by a panic, of which it has told.
        let _ = self.thread.join();
    }
}

/// At the first of the addresses that can be had.
fn listen(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for &address in addresses {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        result = socket.and_then(|socket| {
            // Not so elsewhere: there it would let others listen as well.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(WAITING)
        });
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Until `stop` is told.
fn run(runtime: &Runtime, listener: &TcpListener, pprof: &Pprof, worker: Worker, stop: &Notify) {
    // What serving takes is the profiler's own.
    let _busy = thread::busy();
    runtime.block_on(async {
        tokio::select! {
            () = stop.notified() => {}
            () = accept(listener, pprof, worker) => {}
        }
    });
}

/// Serves whoever comes. Dropped, it ends all connections, and they their work.
async fn accept(listener: &TcpListener, pprof: &Pprof, worker: Worker) {
    let worker = Arc::new(worker);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS + REFUSALS => {
                match accepted {
                    Ok((stream, _)) if connections.len() < CONNECTIONS => {
                        connections.spawn(serve_connection(stream, pprof.clone(), Arc::clone(&worker)));
                    }
                    Ok((stream, _)) => {
                        connections.spawn(refuse_connection(stream));
                    }
                    // No descriptor is free, or the client has gone already.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        }
    }
}

/// One request: nothing is held open for the next.
async fn serve_connection(stream: TcpStream, pprof: Pprof, worker: Arc<Worker>) {
    let longest_answer = Duration::from_secs(pprof.max_seconds).saturating_add(ANSWER_TIME);
    let time = longest_answer.saturating_add(HEAD_TIME + BODY_TIME);
    let answer = |request| answer(pprof.clone(), request, longest_answer, &worker);
    exchange(stream, answer, time).await;
}

/// One answer, to whatever is asked.
async fn refuse_connection(stream: TcpStream) {
    let answer = |_| async { answer::busy("too many connections", 1) };
    exchange(stream, answer, HEAD_TIME).await;
}

/// Reads a request, answers it and closes the connection. What a client does wrong is
/// no concern of the program's.
async fn exchange<F>(stream: TcpStream, answer: impl Fn(Request<Incoming>) -> F, time: Duration)
where
    F: Future<Output = Answer>,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        Box::pin(async {
            let answer = answer.await.map(|body| Full::new(Bytes::from(body)));
            Ok::<_, Infallible>(answer)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if timeout(time, &mut connection).await.is_ok() {
        drain(connection.into_parts().io.into_inner()).await;
    }
}

/// Lets a client that is still sending see the answer: closed at once, the connection
/// would be reset, and the answer lost.
async fn drain(mut stream: TcpStream) {
    let mut unread = [0; 4096];
    let read_all = async { while stream.read(&mut unread).await.is_ok_and(|read| read > 0) {} };
    let _ = timeout(CLOSING_TIME, read_all).await;
}

async fn answer(
    pprof: Pprof,
    request: Request<Incoming>,
    longest_answer: Duration,
    worker: &Worker,
) -> Answer {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY_BYTES).collect();
    let body = match timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return body_too_large(),
        Ok(Err(_)) => return answer::error(StatusCode::BAD_REQUEST, "the body is broken"),
        Err(_) => return answer::error(StatusCode::REQUEST_TIMEOUT, "the body did not come"),
    };
    let cancellation = match Instant::now().checked_add(longest_answer) {
        Some(deadline) => Cancellation::with_deadline(deadline),
        None => Cancellation::default(),
    };
    let request = Request::from_parts(parts, body);
    work::answer(pprof, request, cancellation, Some(worker)).await
}
