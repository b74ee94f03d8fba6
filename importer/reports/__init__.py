"""What a check found, for people and for programs: a report by the suffix of its file."""
