"""Sessions that a person can see and end, and the browsers that they signed in with."""
