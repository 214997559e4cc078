//! A thread's time limits, without a timer for each: a limit is a number, and one tick looks which are over.
//!
//! A timer of the runtime costs a lock, a place in its wheel, and often a system call that wakes the driver, at each
//! request; nearly all are given up unused. Limits below a second are real timers all the same: a tick would be too coarse.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// How often limits are looked at, and so how late one may be.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// From here on a tick is fine enough.
const COARSE_FROM: Duration = Duration::from_secs(1);

/// The limits of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Waits(Rc<Limits>);

#[derive(Debug)]
struct Limits {
    now: Cell<Instant>,
    places: RefCell<Places>,
}

#[derive(Debug, Default)]
struct Places {
    all: Vec<Place>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    due: Due,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Due {
    /// So long after the next tick: the last one tells too little of the present, for a thread that was busy since.
    From(Duration),
    At(Instant),
}

/// One limit. It is given up when this is dropped.
pub(crate) enum Wait {
    /// Looked at with every tick.
    Coarse { waits: Waits, place: usize },
    /// A timer.
    Fine(Pin<Box<Sleep>>),
}

impl Waits {
    /// None yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Rc::new(Limits { now: Cell::new(now), places: RefCell::default() }))
    }

    /// The time of the last tick: good enough wherever a tenth of a second does not matter, and free.
    pub(crate) fn now(&self) -> Instant {
        self.0.now.get()
    }

    /// Wakes who has waited long enough.
    pub(crate) fn tick(&self, now: Instant) {
        self.0.now.set(now);
        let mut places = self.0.places.borrow_mut();
        let over = places.all.iter_mut().filter_map(|place| if place.is_over(now) { place.waker.take() } else { None });
        let wakers: Vec<_> = over.collect();
        drop(places); // a task that is woken or dropped may give up its place
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Begins to wait; never for less than the limit.
    pub(crate) fn begin(&self, limit: Duration) -> Wait {
        if limit < COARSE_FROM {
            return Wait::Fine(Box::pin(tokio::time::sleep(limit)));
        }
        let places = &mut *self.0.places.borrow_mut();
        let new = Place { due: Due::From(limit), waker: None };
        let place = if let Some(place) = places.free.pop() {
            places.all[place] = new;
            place
        } else {
            places.all.push(new);
            places.all.len() - 1
        };
        Wait::Coarse { waits: self.clone(), place }
    }
}

impl Place {
    /// Whether it is, at this tick. The first one gives it its deadline.
    fn is_over(&mut self, now: Instant) -> bool {
        match self.due {
            Due::From(limit) => {
                self.due = Due::At(now + limit);
                false
            }
            Due::At(deadline) => deadline <= now,
        }
    }
}

impl Wait {
    /// Ready when the limit is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Fine(sleep) => sleep.as_mut().poll(cx),
            Self::Coarse { waits, place } => {
                let place = &mut waits.0.places.borrow_mut().all[*place];
                if matches!(place.due, Due::At(deadline) if deadline <= waits.now()) {
                    return Poll::Ready(());
                }
                match &mut place.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Self::Coarse { waits, place } = self else { return };
        let mut places = waits.0.places.borrow_mut();
        let waker = places.all[*place].waker.take(); // without it a free place is never looked at
        places.free.push(*place);
        drop(places);
        drop(waker); // whatever that sets off
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_wait_ends_after_its_limit_and_at_most_a_tick_later() {
        let (start, woken) = (Instant::now(), Arc::<Count>::default());
        let waits = Waits::new(start);
        let waker = Waker::from(Arc::clone(&woken));
        let cx = &mut Context::from_waker(&waker);
        let mut wait = waits.begin(Duration::from_secs(2));
        for ticks in 1..=20 {
            assert_eq!(wait.poll(cx), Poll::Pending, "{ticks}");
            waits.tick(start + TICK * ticks);
        }
        assert_eq!((wait.poll(cx), woken.0.load(Relaxed)), (Poll::Pending, 0));
        waits.tick(start + TICK * 21);
        assert_eq!((wait.poll(cx), woken.0.load(Relaxed)), (Poll::Ready(()), 1));
    }

    #[test]
    fn a_place_that_is_given_up_is_used_again_and_wakes_nobody() {
        let (start, woken) = (Instant::now(), Arc::<Count>::default());
        let waits = Waits::new(start);
        let waker = Waker::from(Arc::clone(&woken));
        let cx = &mut Context::from_waker(&waker);
        for _ in 0..100 {
            let mut wait = waits.begin(Duration::from_secs(1));
            assert_eq!(wait.poll(cx), Poll::Pending);
        }
        assert_eq!(waits.0.places.borrow().all.len(), 1);
        waits.tick(start + Duration::from_secs(1_000));
        assert_eq!(woken.0.load(Relaxed), 0);
        assert_eq!(Arc::strong_count(&woken), 2, "no waker is left behind");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_begins_while_a_tick_is_late_is_no_shorter() {
        let limit = Duration::from_secs(1);
        for late in [0, 1, 3, 10] {
            let waits = Waits::new(Instant::now());
            tokio::time::advance(TICK * late).await; // the thread was busy
            let (since, mut wait) = (Instant::now(), waits.begin(limit));
            let ticks = async {
                loop {
                    tokio::time::sleep(TICK).await;
                    waits.tick(Instant::now());
                }
            };
            tokio::select! {
                () = std::future::poll_fn(|cx| wait.poll(cx)) => {}
                () = ticks => {}
            }
            let took = since.elapsed();
            assert!((limit..=limit + TICK * 2).contains(&took), "{took:?} with a tick that was {late} late");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_limit_is_kept_to_the_millisecond() {
        let since = Instant::now();
        let waits = Waits::new(since);
        let mut wait = waits.begin(Duration::from_millis(30));
        std::future::poll_fn(|cx| wait.poll(cx)).await;
        assert_eq!(since.elapsed(), Duration::from_millis(30));
    }
}
