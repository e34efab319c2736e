import Compression
import LinearAlgebra
import NeuralNetworks
import Testing

@Suite struct CriterionTests {
  let pool = ThreadPool(threads: 2)

  @Test("l1 is the sum of a filter's absolute weights")
  func l1() throws {
    var builder = ModelBuilder(inputShape: Shape(height: 2, width: 2, channels: 1))
    try builder.add("conv1", Conv2D(channels: 1, outputs: 2, kernel: (1, 2)))
    let model = try builder.model()
    try model.weights[0].weights.program(Tensor(shape: [2, 2], values: [1, -2, 0.5, 0.25]), pool: pool)
    let node = model.nodes[0]
    let layer = PrunableLayer(node: node, norm: nil, end: node, isRectified: false)
    let scores = L1Norm().scores(ScoringContext(model: model, layers: [layer], pool: pool))
    #expect(scores == [[3, 0.75]])
  }
}
