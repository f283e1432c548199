"""The families of tensor operations that `ops` joins."""
