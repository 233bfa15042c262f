//! Programs that embed core or speak to the daemon.
