// The kernels of an instruction set: included after their bodies. NAME is the set whose body serves where WIDE has no own.

static const CKernels WIDE(table) = {
    NAME(randomBits), NAME(uniform), NAME(gaussian), NAME(exponential), NAME(gatherPatches), NAME(scatterPatches),
    NAME(addBias), NAME(columnSums), NAME(relu), NAME(reluBackward), NAME(maxPool), NAME(maxPoolBackward),
    WIDE(quantizeRows), NAME(accumulateConverted), NAME(accumulateScaled), NAME(applyPulses), WIDE(lineSums),
    NAME(effectiveWeights), NAME(pulseCounts), WIDE(pulseLines), WIDE(pulseTrains), WIDE(coincidences),
    NAME(applyPulsesAt),
    NAME(streamDigits), NAME(addNoise),
    NAME(moments), NAME(normSums), NAME(norm), NAME(normGradient), NAME(sgd), NAME(adam), NAME(foldPatches),
    NAME(panelFloats), NAME(packPanels), WIDE(multiplyPanels),
    WIDE(multiplyConverted), NAME(multiplySmall), WIDE(outerProducts), WIDE(winogradInput), WIDE(winogradOutput),
    WIDE(winogradOutputGradient), WIDE(winogradInputGradient), NAME(winogradWeights), WIDE(winogradWeightGradient),
    NAME(relevanceShares), NAME(relevanceOfTerm), NAME(multiplyEach),
};
