"""What a run is and what remains of it: configuration, directory, database, randomness."""
