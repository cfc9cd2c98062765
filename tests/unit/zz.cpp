// invariants 3 and 12, invariant 11
