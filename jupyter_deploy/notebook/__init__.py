"""What a notebook sees: magics, handles, and the cards they show."""
