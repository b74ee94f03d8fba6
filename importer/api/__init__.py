"""The Add record contract: encoding requests, judging replies, and the one HTTP client."""
