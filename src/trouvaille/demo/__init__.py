"""A sample event with real photos, to try the product and to test it."""
