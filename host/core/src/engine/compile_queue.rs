//! Order in which a node compiles components (pure). The classes follow each other; within the uploads, start-time
//! fair queueing over the callers, with equal costs, gives each caller one compilation after the other.
//!
//! Requests for the same component share one job, whose class is that of its most urgent request. The last requester
//! that leaves takes the job along: a job that waits is removed, and an upload that runs is abandoned.
//!
//! Invariants: uploads occupy at most [`UPLOAD_SLOTS`] of the [`SLOTS`], except for jobs that were more urgent when
//! they began. At most [`UPLOADS_MAX`] requests are uploads, and each of them was admitted when its caller had fewer
//! than there were free places (dynamic thresholds).

use std::collections::{BTreeMap, HashMap};

use super::load::LoadPurpose;
use crate::id::Digest;

/// Number of components that are compiled at the same time.
pub const SLOTS: usize = 2;
/// Number of them that may be uploads, so that what objects need never waits for an upload.
pub const UPLOAD_SLOTS: usize = 1;
/// Maximum number of uploads in the queue, including the one that is compiled.
pub const UPLOADS_MAX: usize = 32;

/// Urgency of a compilation, from the most urgent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompileClass {
    /// Objects of this node need it.
    Activation,
    /// A roll-out prepares it.
    Rollout,
    /// It was uploaded, for a deployment or a rehearsal.
    Upload,
}

impl CompileClass {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Activation, Self::Rollout, Self::Upload];

    /// Returns the word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Rollout => "rollout",
            Self::Upload => "upload",
        }
    }

    /// Returns the class of a purpose.
    #[must_use]
    pub fn of(purpose: &LoadPurpose) -> Self {
        match purpose {
            LoadPurpose::Activation => Self::Activation,
            LoadPurpose::Rollout => Self::Rollout,
            LoadPurpose::Upload(_) | LoadPurpose::Rehearsal => Self::Upload,
        }
    }
}

/// Number of a job, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(u64);

/// One request in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    job: JobId,
    request: u64,
}

impl Ticket {
    /// Returns the job that the request waits for.
    #[must_use]
    pub fn job(self) -> JobId {
        self.job
    }
}

/// Consequence for the job when a requester leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The job stays, or has ended before.
    Stays,
    /// The job waited, and was removed.
    Removed,
    /// The job runs without a requester: the compiler must be stopped.
    Abandoned,
}

/// Refusal of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{waiting} uploads wait for the compiler, {own} of them of the same caller; {free} places are free"
)]
pub struct QueueFull {
    waiting: usize,
    own: usize,
    free: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running,
    /// It runs until the compiler has stopped. A new request for the component is another job.
    Abandoned,
}

/// Caller of an upload; `None` for other nodes, whose rehearsals this node takes part in.
type Owner = Option<Box<str>>;

#[derive(Debug)]
struct Request {
    number: u64,
    class: CompileClass,
    owner: Owner,
    /// Virtual start time of an upload.
    start: u64,
}

#[derive(Debug)]
struct Job {
    digest: Digest,
    stage: Stage,
    class: CompileClass,
    requests: Vec<Request>,
}

impl Job {
    /// Returns the place in the order: the least is next, and of equal ones the one that came first.
    fn rank(&self) -> (CompileClass, u64) {
        (self.class, self.start())
    }

    fn start(&self) -> u64 {
        let starts = self.requests.iter().map(|request| request.start);
        starts.min().filter(|_| self.class == CompileClass::Upload).unwrap_or(0)
    }

    fn find_class(&mut self) {
        let classes = self.requests.iter().map(|request| request.class);
        self.class = classes.min().unwrap_or(self.class);
    }
}

/// Compilations that wait or run.
#[derive(Debug, Default)]
pub struct CompileQueue {
    jobs: BTreeMap<JobId, Job>,
    /// Number of the newest request or job.
    newest: u64,
    /// Virtual time: the start of the upload that began last.
    now: u64,
    /// Virtual start of the next upload of each caller, if it is later than now.
    next_starts: HashMap<Owner, u64>,
}

impl CompileQueue {
    /// Adds a request for a component.
    ///
    /// # Errors
    /// [`QueueFull`] if it is an upload, and the caller has no place left.
    pub fn enter(&mut self, digest: Digest, purpose: &LoadPurpose) -> Result<Ticket, QueueFull> {
        let class = CompileClass::of(purpose);
        let owner = match purpose {
            LoadPurpose::Upload(by) => Some(by.to_string().into()),
            _ => None,
        };
        if class == CompileClass::Upload {
            self.check_place(&owner)?;
        }
        let found =
            self.jobs.iter().find(|(_, job)| job.digest == digest && job.stage != Stage::Abandoned);
        let (id, stage) = match found {
            Some((id, job)) => (*id, job.stage),
            None => (JobId(self.number()), Stage::Waiting),
        };
        let start = match (class, stage) {
            (CompileClass::Upload, Stage::Waiting) => self.start_of(&owner),
            _ => self.now,
        };
        let request = Request { number: self.number(), class, owner, start };
        let ticket = Ticket { job: id, request: request.number };
        let job = self.jobs.entry(id);
        let job = job.or_insert_with(|| Job { digest, stage, class, requests: Vec::new() });
        job.requests.push(request);
        job.find_class();
        Ok(ticket)
    }

    /// Removes a request.
    pub fn leave(&mut self, ticket: Ticket) -> Departure {
        let Some(job) = self.jobs.get_mut(&ticket.job) else { return Departure::Stays };
        job.requests.retain(|request| request.number != ticket.request);
        if !job.requests.is_empty() {
            job.find_class();
            return Departure::Stays;
        }
        match (job.stage, job.class) {
            (Stage::Waiting, _) => {
                self.jobs.remove(&ticket.job);
                Departure::Removed
            }
            (Stage::Running, CompileClass::Upload) => {
                job.stage = Stage::Abandoned;
                Departure::Abandoned
            }
            // The node will need the code again, and keeps it.
            _ => Departure::Stays,
        }
    }

    /// Begins the job that is next, if there is a slot for it.
    pub fn begin_next(&mut self) -> Option<JobId> {
        let running = || self.jobs.values().filter(|job| job.stage != Stage::Waiting);
        let uploads = running().filter(|job| job.class == CompileClass::Upload).count();
        if running().count() >= SLOTS {
            return None;
        }
        let may_begin = |job: &Job| {
            let has_slot = job.class != CompileClass::Upload || uploads < UPLOAD_SLOTS;
            job.stage == Stage::Waiting && has_slot
        };
        let waiting = self.jobs.iter_mut().filter(|(_, job)| may_begin(job));
        let (id, job) = waiting.min_by_key(|(id, job)| (job.rank(), **id))?;
        job.stage = Stage::Running;
        let now = self.now.max(job.start());
        let id = *id;
        self.now = now;
        self.next_starts.retain(|_, start| *start > now);
        Some(id)
    }

    /// Ends a job that has begun.
    pub fn end(&mut self, job: JobId) {
        self.jobs.remove(&job);
    }

    /// Returns the number of jobs of a class that wait.
    #[must_use]
    pub fn waiting(&self, class: CompileClass) -> usize {
        let is_it = |job: &&Job| job.stage == Stage::Waiting && job.class == class;
        self.jobs.values().filter(is_it).count()
    }

    fn number(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    /// Returns the virtual start of a caller's next upload, and reserves it.
    fn start_of(&mut self, owner: &Owner) -> u64 {
        let start = self.next_starts.get(owner).map_or(self.now, |next| self.now.max(*next));
        self.next_starts.insert(owner.clone(), start + 1);
        start
    }

    fn check_place(&self, owner: &Owner) -> Result<(), QueueFull> {
        let requests = || self.jobs.values().flat_map(|job| &job.requests);
        let uploads = || requests().filter(|request| request.class == CompileClass::Upload);
        let waiting = uploads().count();
        let own = uploads().filter(|request| request.owner == *owner).count();
        let free = UPLOADS_MAX.saturating_sub(waiting);
        if own < free { Ok(()) } else { Err(QueueFull { waiting, own, free }) }
    }
}

#[cfg(test)]
mod tests;
