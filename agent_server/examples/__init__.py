"""Small programs on the library: installed, typed, and run by the tests."""
