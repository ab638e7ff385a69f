//! One call from its HTTP request to the response: decode, apply the faults, carry out, encode.

use axum::body::Bytes;
use axum::http::header::DATE;
use axum::http::{HeaderValue, Request as HttpRequest, Response};
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::Sandbox;
use super::answer::{Answer, Failure};
use super::dates::http_date;
use super::fault::Fault;
use super::ledger::{Effect, Outcome};
use super::partial_call::PartialCall;
use super::sqs::receive::{self, Wait};
use super::wire::reply;
use super::wire::request::Request;

/// What the caller gets at the end of a call.
enum End {
    Answer(Answer),
    /// An answer of which the caller gets only the first bytes.
    CutAnswer(Answer, usize),
    /// The connection breaks.
    Cut,
    /// No answer ever comes.
    Hang,
}

impl Sandbox {
    /// Answers a request as AWS would, or returns `None` if the connection is to break. The call
    /// runs in a task of its own, so that it takes effect even when its caller stops waiting.
    pub(super) async fn respond(&self, http: HttpRequest<Bytes>) -> Option<Response<Bytes>> {
        let (reply, answer) = oneshot::channel();
        tokio::spawn(answer_to(self.clone(), http, reply));
        let answer = answer.await.ok()?;
        Some(self.dated(answer))
    }

    /// Adds the `Date` header, if `Options::date_ahead` is set.
    fn dated(&self, mut answer: Response<Bytes>) -> Response<Bytes> {
        let date = self.read(|world| Some(world.wall_clock() + world.options.date_ahead?));
        let date = date.and_then(|date| HeaderValue::from_str(&http_date(date)).ok());
        answer.headers_mut().extend(date.map(|date| (DATE, date)));
        answer
    }

    /// Finds the call's account, opens its entry in the ledger and returns its number and the faults that strike it.
    fn arrive(&self, request: &mut Request) -> (usize, Vec<Fault>) {
        self.change(|world| {
            request.account = world.accounts.account_of(request, &world.options.account);
            let call = world.ledger.open(Instant::now(), request);
            let (struck, faults) = world.faults.strike(call).into_iter().unzip();
            call.struck = struck;
            (call.number, faults)
        })
    }

    /// Whether a call ends when its caller breaks the connection. Only a long poll does.
    fn ends_with_its_caller(&self, request: &Request) -> bool {
        request.operation == "ReceiveMessage" && !self.read(|world| world.options.abandoned_polls)
    }

    fn close(&self, number: usize, result: Outcome) {
        self.change(|world| world.ledger.close(number, world.now(), result));
    }

    /// Carries out a call, with the faults that come before its effect and those that come after
    /// it.
    async fn carry_out(&self, number: usize, request: &Request, faults: &[Fault]) -> End {
        for fault in faults {
            match fault {
                Fault::Delay(delay) => sleep(*delay).await,
                Fault::Error { status, code, message } => {
                    return End::Answer(Err(Failure::new(*status, code, message)));
                }
                Fault::CutBefore => return End::Cut,
                Fault::HangBefore => return End::Hang,
                Fault::Run(hook) => hook.run(self),
                _ => {}
            }
        }
        let answer = self.act(number, request, faults).await;
        for fault in faults {
            match fault {
                Fault::RunAfter(hook) => hook.run(self),
                Fault::CutAfter => return End::Cut,
                Fault::CutAnswer { bytes } if answer.is_ok() => {
                    return End::CutAnswer(answer, *bytes);
                }
                Fault::HangAfter => return End::Hang,
                _ => {}
            }
        }
        End::Answer(answer)
    }

    /// Carries out a call. A long poll that finds no message waits and receives again, until there
    /// is a message or its wait time is over.
    async fn act(&self, number: usize, request: &Request, faults: &[Fault]) -> Answer {
        let partial = PartialCall::of(request, faults);
        let deadline = Instant::now() + self.read(|world| receive::longest_wait(world, request));
        loop {
            let attempt = self.change(|world| {
                let answer = partial.act(world);
                match receive::wait(world, request, &answer) {
                    Some(wait) if world.now() < deadline => Err(wait),
                    _ => {
                        let (at, kept) = (world.now(), world.kept(request));
                        let details = partial.shown(world, &answer);
                        let effect = Effect { at, request, answer: &answer, kept, details };
                        world.ledger.act(number, effect);
                        Ok(answer)
                    }
                }
            });
            let Wait { arrival, replanned, next_due } = match attempt {
                Ok(answer) => return answer,
                Err(wait) => wait,
            };
            select! {
                biased;
                () = arrival => {}
                () = replanned => {}
                () = sleep_until(next_due.map_or(deadline, |due| due.min(deadline))) => {}
            }
        }
    }
}

/// Answers one call through `reply`. Dropping `reply` without an answer breaks the connection.
async fn answer_to(
    sandbox: Sandbox,
    http: HttpRequest<Bytes>,
    mut reply: oneshot::Sender<Response<Bytes>>,
) {
    let id = sandbox.change(|world| world.ids.uuid().to_string());
    let mut request = match Request::decode(&http) {
        Ok(request) => request,
        Err((service, failure)) => {
            reply.send(reply::encode(service, "", &id, &Err(failure))).ok();
            return;
        }
    };
    let (number, faults) = sandbox.arrive(&mut request);
    let ends_early = sandbox.ends_with_its_caller(&request);
    let end = select! {
        biased;
        () = reply.closed(), if ends_early => End::Cut,
        end = sandbox.carry_out(number, &request, &faults) => end,
    };
    sandbox.close(number, outcome(&end, reply.is_closed()));
    match end {
        End::Answer(answer) => {
            reply.send(reply::encode(request.service, &request.operation, &id, &answer)).ok();
        }
        End::CutAnswer(answer, bytes) => {
            let whole = reply::encode(request.service, &request.operation, &id, &answer);
            reply.send(whole.map(|body| shortened(&body, bytes))).ok();
        }
        End::Cut => {}
        End::Hang => reply.closed().await,
    }
}

/// The first bytes of a body, which is one byte shorter at least.
fn shortened(body: &Bytes, bytes: usize) -> Bytes {
    body.slice(..bytes.min(body.len().saturating_sub(1)))
}

fn outcome(end: &End, caller_left: bool) -> Outcome {
    match end {
        _ if caller_left => Outcome::Abandoned,
        End::Answer(Ok(_)) => Outcome::Answered,
        End::Answer(Err(failure)) => Outcome::Failed { code: failure.code.clone() },
        End::Cut | End::CutAnswer(..) => Outcome::Cut,
        End::Hang => Outcome::Hung,
    }
}
