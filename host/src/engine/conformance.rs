//! What every engine must do, as checks that any adapter can be given to.
