//! System call filter of the compiling child: everything that a compiler does not need fails.
//!
//! The list covers threads, memory, the three standard descriptors and an orderly exit. Memory can never be made
//! executable and no program started, so an attacker who takes over the compiler can run only code that is already
//! there. Other calls fail instead of killing the process, because another C library may try one and do without it.

use std::collections::BTreeMap;
use std::{env, process};

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter_all_threads,
};

const ALLOWED: &[c_long] = &[
    // The three descriptors.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_newfstatat,
    libc::SYS_close,
    // Memory; `mmap` and `mprotect` are restricted below.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_munmap,
    libc::SYS_mremap,
    // Threads. The filter cannot inspect the flags of `clone3`, but another process without programs and files is
    // useless.
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    // Signals to itself, and exit.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Time and randomness.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_getrandom,
];

/// Restricts all threads of this process, and those that they start, permanently.
pub(super) fn restrict() -> Result<(), Error> {
    apply_filter_all_threads(&filter()?)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<_, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let never_executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC.cast_unsigned().into());
    rules.insert(libc::SYS_mmap, vec![argument(2, never_executable.clone(), 0)?]);
    rules.insert(libc::SYS_mprotect, vec![argument(2, never_executable, 0)?]);
    // Used by `abort`; other processes must not be signalled.
    rules.insert(libc::SYS_tgkill, vec![argument(0, SeccompCmpOp::Eq, process::id().into())?]);
    // Names of threads and of memory.
    let named = [libc::PR_SET_NAME, libc::PR_SET_VMA]
        .map(|name| argument(0, SeccompCmpOp::Eq, name.cast_unsigned().into()));
    rules.insert(libc::SYS_prctl, named.into_iter().collect::<Result<_, _>>()?);
    let denied = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, denied, SeccompAction::Allow, env::consts::ARCH.try_into()?)?
        .try_into()
}

/// Creates a rule that compares the lower 32 bits of an argument.
fn argument(index: u8, compares: SeccompCmpOp, with: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, compares, with)?;
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::{fs, net, thread};

    use seccompiler::apply_filter;

    use super::*;

    /// The filter applies to the calling thread and the threads that it starts.
    #[test]
    fn what_a_compiler_needs_is_left_and_nothing_else() {
        let filtered = || {
            apply_filter(&filter().unwrap()).unwrap();
            let refused = [
                fs::File::open("/proc/self/status").map(drop),
                net::TcpListener::bind("127.0.0.1:0").map(drop),
                net::UdpSocket::bind("127.0.0.1:0").map(drop),
                process::Command::new("/bin/true").status().map(drop),
            ];
            let sum = thread::spawn(|| vec![1_u64; 1 << 20].iter().sum::<u64>()).join().unwrap();
            (refused, sum)
        };
        let (refused, sum) = thread::spawn(filtered).join().unwrap();
        assert_eq!(sum, 1 << 20);
        for result in refused {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
    }
}
