//! Where a panic happened. Its payload does not tell, so a hook writes it down for the thread.

use crate::exit::Exit;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::sync::Once;

thread_local! {
    static IS_CHILD: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Has panics of this thread noted, beside whatever else is done about panics.
pub(super) fn note() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A thread that is being torn down has no such storage any more, and nobody asks it.
            let _ = PLACE.try_with(|place| {
                if IS_CHILD.try_with(Cell::get).unwrap_or(false) {
                    *place.borrow_mut() = panic.location().map(ToString::to_string);
                }
            });
            before(panic);
        }));
    });
    IS_CHILD.set(true);
}

/// A panic of this thread as an exit.
pub(super) fn exit(payload: &(dyn Any + Send)) -> Exit {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Exit::Panicked {
        message: message.unwrap_or_else(|| "without a message".to_owned()),
        place: PLACE.with_borrow_mut(Option::take),
    }
}
