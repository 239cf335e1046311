package main

var cpuMutations = []mutation{}
