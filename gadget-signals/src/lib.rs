//! Signal providers: what a Linux host says of its memory, CPU, IO, cgroups and processes.
