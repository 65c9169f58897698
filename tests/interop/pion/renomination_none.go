//go:build !newest

package main

import (
	"errors"

	"github.com/pion/ice/v4"
)

func makeAgent(config *ice.AgentConfig) (*ice.Agent, error) {
	return ice.NewAgent(config)
}

func renominate(*ice.Agent, ice.CandidateType) error {
	return errors.New("this version of pion knows no renomination")
}
