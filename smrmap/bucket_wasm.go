package smrmap

const bucketSize = 64
