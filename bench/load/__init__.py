"""`make load` and `make soak`: whole visits of many guests to one instance, as it is started by users."""
