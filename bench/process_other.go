//go:build !linux

package main

import (
	"errors"
	"time"
)

// canMeasureProcesses reports whether the system has figures about processes.
const canMeasureProcesses = false

func processorTime(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
func residentMemory(int) (int64, error)        { return 0, errors.ErrUnsupported }
func raiseFileLimit(uint64) (uint64, error)    { return 0, errors.ErrUnsupported }
func loadAverage() string                      { return "unknown" }
