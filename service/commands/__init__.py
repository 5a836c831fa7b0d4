"""Groups of the command `standfirst`."""
