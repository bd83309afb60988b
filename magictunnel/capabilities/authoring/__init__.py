"""For those who write capability files: their schema, a first file, doubts, previews, merging, migrating."""
