"""One file a revision, named after it, in order. A revision that was released is never changed."""
