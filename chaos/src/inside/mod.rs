//! The daemon whose parts fail when they are told to: the same tree of the same parts, each of them made by [`Faulty`],
//! which puts a listener for faults into the actor and stands before its start.
//!
//! A fault strikes where an actor waits, in its own context, as if a handler or a stream of its had done it. What strikes
//! in the middle of a step is SIGKILL, from outside.

mod board;
mod line;

pub(crate) use line::{FAULTS, ask};

use crate::fault::Kind;
use actix::fut::{ActorFutureExt, ActorStreamExt, wrap_future, wrap_stream};
use actix::{ActorContext, AsyncContext, Context};
use aegis_actors::tree::Maker;
use aegis_supervisor::{BoxError, Child, ChildRef, Life, Limits, Work};
use async_trait::async_trait;
use board::Board;
use std::time::Duration;

/// Makes parts that fail when they are told to.
pub(crate) struct FaultyMaker(Board);

impl FaultyMaker {
    /// One whose parts are told through a socket.
    pub(crate) fn listening(socket: &std::path::Path) -> std::io::Result<Self> {
        let board = Board::default();
        line::listen(socket, board.clone())?;
        Ok(Self(board))
    }
}

impl Maker for FaultyMaker {
    fn make<C: Child>(&self, child: C, way: &ChildRef<C::Actor>, limits: Limits) -> Work {
        Work::actor(Faulty { child, board: self.0.clone() }, way, limits)
    }
}

/// A part that fails when it is told to.
struct Faulty<C> {
    child: C,
    board: Board,
}

#[async_trait(?Send)]
impl<C: Child> Child for Faulty<C> {
    type Actor = C::Actor;

    async fn init(&self, life: &Life) -> Result<C::Actor, BoxError> {
        match self.board.take_at_start(life.path()) {
            Some(Kind::InitPanic) => panic!("chaos: a panic in init"),
            Some(Kind::InitError) => return Err("chaos: an error in init".into()),
            Some(Kind::InitSlow(millis)) => tokio::time::sleep(Duration::from_millis(millis)).await,
            _ => {}
        }
        self.child.init(life).await
    }

    fn enter(&self, life: &Life, context: &mut Context<C::Actor>) {
        self.child.enter(life, context);
        listen::<C>(&self.board, life, context);
    }
}

/// Waits for a fault, and lets it strike.
fn listen<C: Child>(board: &Board, life: &Life, context: &mut Context<C::Actor>) {
    let (told, path) = (board.clone(), life.path().to_owned());
    let (board, life) = (board.clone(), life.clone());
    let fault = wrap_future::<_, C::Actor>(async move { told.wait(&path).await });
    context.spawn(fault.map(move |kind, _, context: &mut Context<C::Actor>| {
        strike::<C>(kind, &life, context);
        listen::<C>(&board, &life, context);
    }));
}

fn strike<C: Child>(kind: Kind, life: &Life, context: &mut Context<C::Actor>) {
    match kind {
        Kind::Panic => panic!("chaos: a panic"),
        Kind::PanicInStream => {
            let item = futures_util::stream::once(std::future::ready(()));
            let panicking =
                wrap_stream::<_, C::Actor>(item).map(|(), _, _| panic!("chaos: a panic in a stream"));
            context.spawn(panicking.finish());
        }
        Kind::Error => life.fail("chaos: an error"),
        Kind::End => context.stop(),
        Kind::Block(millis) => std::thread::sleep(Duration::from_millis(millis)),
        Kind::Loop => loop {
            std::hint::spin_loop();
        },
        // These are for its successor.
        Kind::InitPanic | Kind::InitError | Kind::InitSlow(_) => life.fail("chaos: to be started again"),
    }
}
