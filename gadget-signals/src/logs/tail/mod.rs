//! Log files, followed through every kind of rotation.
