"""What a site sends: an adapter, a head, and a record of how they were made."""
