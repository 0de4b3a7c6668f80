//! Where packets enter and leave the application's network namespace.
