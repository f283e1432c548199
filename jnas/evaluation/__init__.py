"""What a candidate is worth: the gate, worker processes, and the pool that limits them."""
