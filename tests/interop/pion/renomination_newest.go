//go:build newest

package main

import (
	"fmt"

	"github.com/pion/ice/v4"
)

// makeAgent makes an agent that renominates: only options, not a configuration, can say that.
func makeAgent(config *ice.AgentConfig) (*ice.Agent, error) {
	options := []ice.AgentOption{
		ice.WithUrls(config.Urls),
		ice.WithLocalCredentials(config.LocalUfrag, config.LocalPwd),
		ice.WithNetworkTypes(config.NetworkTypes),
		ice.WithCandidateTypes(config.CandidateTypes),
		ice.WithMulticastDNSMode(config.MulticastDNSMode),
		ice.WithInterfaceFilter(config.InterfaceFilter),
		ice.WithIncludeLoopback(),
		ice.WithRenomination(ice.DefaultNominationValueGenerator()),
	}
	if config.TCPMux != nil {
		options = append(options, ice.WithTCPMux(config.TCPMux))
	}
	return ice.NewAgentWithOptions(options...)
}

// renominate lets the controlling agent move to its candidate of another type.
func renominate(agent *ice.Agent, wanted ice.CandidateType) error {
	pair, err := agent.GetSelectedCandidatePair()
	if err != nil {
		return err
	}
	candidates, err := agent.GetLocalCandidates()
	if err != nil {
		return err
	}
	for _, local := range candidates {
		if local.Type() == wanted {
			return agent.RenominateCandidate(local, pair.Remote)
		}
	}
	return fmt.Errorf("there is no candidate of type %s", wanted)
}
