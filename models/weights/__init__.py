"""The files of models: where they lie, how they are downloaded, and whether they are what they should be."""
