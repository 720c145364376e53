//! How near the kernel comes to what the processor can do.
