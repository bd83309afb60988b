"""What outlives us: one SQLite file that several gateways share. Only here is aiosqlite."""
