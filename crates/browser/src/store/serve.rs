//! The worker's end: everything that is asked, one thing after the other.
//!
//! While more is waiting, changes are gathered; they are made when there is nothing more. A file that is taken in has its turn
//! between the orders. When it has been quiet for [`QUIET_MS`], what was written is made to stay.
//!
//! Two tabs never have one store open: a tab's key is in one tab at a time, and in a secure context a Web Lock sees to it that a
//! tab that was taken for dead, or an older self of this one that has not ended, is out before the next is in. The page ends the
//! worker when it goes away or leaves the room; that lets go of the lock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use super::intake::Intake;
use super::keeper::{Keeper, Tell};
use super::{Answer, Ask, READY, message, read_message};
use crate::listen::{Listener, Timeout};
use crate::storage::pause;

/// After how much quiet all that was written is made to stay, in milliseconds (guess).
const QUIET_MS: u32 = 250;
/// How often that time doubles at most, as changes are refused again and again.
const LATER_MAX: u32 = 7;
/// How long another tab, or an older self of this one, may hold on to the store, in milliseconds (guess), and how often to look.
const LOCK_MS: u32 = 3_000;
const LOCK_EVERY_MS: u32 = 100;

/// What has come and was not looked at.
#[derive(Default)]
struct Inbox {
    messages: RefCell<VecDeque<JsValue>>,
    /// Whether it has been quiet for a while.
    is_quiet: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Inbox {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// The next message; `None` when it has been quiet.
    async fn next(&self) -> Option<JsValue> {
        poll_fn(|context| {
            let message = self.messages.borrow_mut().pop_front();
            if message.is_some() || self.is_quiet.take() {
                return Poll::Ready(message);
            }
            *self.waker.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// Serves the page that started this worker, for as long as it lives.
///
/// # Panics
/// Anywhere but in a dedicated worker.
pub fn serve() {
    let scope: DedicatedWorkerGlobalScope =
        js_sys::global().dyn_into().expect("this program runs in a dedicated worker");
    let inbox = Rc::new(Inbox::default());
    let coming = Rc::clone(&inbox);
    let messages = Listener::new(&scope, "message", move |event| {
        coming.messages.borrow_mut().push_back(event.unchecked_ref::<MessageEvent>().data());
        coming.wake();
    });
    // It lives as long as the worker.
    std::mem::forget(messages);
    let told = scope.clone();
    let tell: Tell = Box::new(move |answer, with| {
        let (message, handed_over) = message(answer, with);
        let _ = told.post_message_with_transfer(&message, &handed_over);
    });
    spawn_local(work(inbox, tell));
    let _ = scope.post_message(&JsValue::from_str(READY));
}

async fn work(inbox: Rc<Inbox>, tell: Tell) {
    let opening = inbox.next().await.as_ref().and_then(read_message::<Ask>);
    let Some((Ask::Open { room, place }, _)) = opening else { return };
    let place = match place {
        Some(place) if is_alone(place).await => Some(place),
        _ => None,
    };
    let mut keeper = Keeper::open(room, place, tell).await;
    let mut intakes: VecDeque<Intake> = VecDeque::new();
    let mut quiet = None;
    loop {
        let waiting = inbox.messages.borrow_mut().pop_front();
        let message = match waiting {
            Some(message) => Some(message),
            None => {
                // What was refused has been told, and is tried again.
                let _ = keeper.commit().await;
                if let Some(intake) = intakes.front_mut() {
                    if !intake.step(&mut keeper).await {
                        intakes.pop_front();
                    }
                    continue;
                }
                if keeper.is_unsettled() {
                    let then = Rc::clone(&inbox);
                    quiet = Some(Timeout::new(QUIET_MS << keeper.failures().min(LATER_MAX), move || {
                        then.is_quiet.set(true);
                        then.wake();
                    }));
                }
                inbox.next().await
            }
        };
        drop(quiet.take());
        let Some(message) = message else {
            let _ = keeper.settle().await;
            continue;
        };
        match read_message::<Ask>(&message) {
            Some((Ask::Take { number, name, kind }, file)) => {
                match Intake::new(number, file.unchecked_into(), name, kind) {
                    Ok(intake) => intakes.push_back(intake),
                    Err(why) => keeper.tell(&Answer::NotTaken { number, why }),
                }
            }
            Some((ask, with)) => keeper.obey(ask, with).await,
            // The page is of the same build, and says nothing else.
            None => {}
        }
    }
}

/// Waits until nobody else has the store in this place open. `false` if somebody goes on to. Where there are no locks, the
/// tab's key has to do.
async fn is_alone(place: u32) -> bool {
    let mut waited_ms = 0;
    loop {
        match lock(place).await {
            Ok(got) if !got && waited_ms < LOCK_MS => {}
            Ok(got) => return got,
            Err(_) => return true,
        }
        pause(LOCK_EVERY_MS).await;
        waited_ms += LOCK_EVERY_MS;
    }
}

/// Takes the lock of a place for as long as the worker lives, if it is free.
async fn lock(place: u32) -> Result<bool, JsValue> {
    let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
    let locks = Reflect::get(&navigator, &"locks".into())?;
    let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &true.into())?;
    let name = ["manyhands.files.", &place.to_string()].concat();
    let mut asked = Ok(JsValue::UNDEFINED);
    let answer = Promise::new(&mut |resolve, _| {
        let told = Closure::once_into_js(move |lock: JsValue| -> JsValue {
            let _ = resolve.call1(&JsValue::UNDEFINED, &lock.is_truthy().into());
            // The lock is held until this promise is kept, which it never is.
            if lock.is_truthy() { Promise::new(&mut |_, _| {}).into() } else { JsValue::UNDEFINED }
        });
        asked = request.apply(&locks, &Array::of3(&name.as_str().into(), &options, &told));
    });
    // Where locks are refused, only the second says so.
    let first = Promise::race(&Array::of2(&answer, &asked?));
    Ok(JsFuture::from(first).await?.is_truthy())
}
