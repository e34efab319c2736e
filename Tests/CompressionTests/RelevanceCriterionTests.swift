import LinearAlgebra
import NeuralNetworks
import Testing

@testable import Compression

/// Images by a fixed rule, of one class after the other.
private func images(for model: Model, count: Int) -> FixedSamples {
  let classes = model.output.shape.count
  return FixedSamples(
    (0..<count).map {
      RandomStream(seed: 21, purpose: 79, index: UInt64($0)).uniforms(model.inputShape.count)
    }, labels: (0..<count).map { Int32($0 % classes) }, classes: classes)
}

@Suite("Relevance as a criterion")
struct RelevanceCriterionTests {
  private let small = Shape(height: 8, width: 8, channels: 3)

  private func scores(_ model: Model, _ pruner: Pruner, _ criterion: RelevanceCriterion, batch: Int = 20) throws
    -> [[Double]]
  {
    try pruner.scores(
      criterion,
      ScoringContext(
        model: model, layers: pruner.groups.layers, samples: images(for: model, count: 40), batch: batch,
        pool: testPool))
  }

  @Test(
    "what is removed and what is masked leave the other channels the same relevance, behind sums too",
    arguments: FeatureRelevance.Place.allCases, RelevanceRule.BatchNormRule.allCases)
  func removedAndMasked(place: FeatureRelevance.Place, norm: RelevanceRule.BatchNormRule) throws {
    let criterion = RelevanceCriterion(try RelevanceRule(batchNorm: norm), place: place)
    var found: [[[Double]]] = []
    var kept: [String: [Int]] = [:]
    for form in [PruningForm.removed, .masked] {
      let model = try network("resnet20", input: small)
      let pruner = try Pruner(model, form: form)
      let plan = try pruner.plan(arbitraryChoice(pruner.groups, share: 0.5), .share(0.4, .layer))
      kept = plan
      try pruner.apply(plan)
      // Layer by layer; in a masked network the dead channels' too.
      let context = ScoringContext(
        model: model, layers: pruner.groups.layers, samples: images(for: model, count: 40), batch: 20, pool: testPool)
      let all = try criterion.scores(context)
      found.append(
        zip(pruner.groups.layers, all).map { layer, scores in
          form == .removed ? scores : (kept[layer.name] ?? Array(scores.indices)).map { scores[$0] }
        })
    }
    for (a, b) in zip(found[0], found[1]) {
      #expect(a.count == b.count)
      // A layer's scores are a unit vector, and in a masked one dead channels may have a part in it.
      let scale = b.reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(difference(a.map { Float($0) }, b.map { Float($0 / scale) }) < 1e-4)
    }
  }

  @Test("scores do not depend on the batch")
  func batches() throws {
    let model = try network("vgg-mini", input: small)
    let pruner = try Pruner(model)
    let one = try scores(model, pruner, RelevanceCriterion(), batch: 16)
    #expect(try scores(model, pruner, RelevanceCriterion(), batch: 32) == one)
  }

  @Test("the published schedule on a residual network: the lowest of all layers go, and every layer keeps a channel")
  func schedule() throws {
    let model = try network("resnet20", input: small)
    let pruner = try Pruner(model)
    var left = pruner.channels.left
    #expect(left == 672 && pruner.channels.built == 672)
    for _ in 0..<3 {
      try pruner.apply(try pruner.plan(try scores(model, pruner, RelevanceCriterion()), .count(90)))
      #expect(pruner.channels.left == left - 90)
      left -= 90
    }
    #expect(pruner.groups.layers.allSatisfy { $0.channels > 0 })
  }

  @Test("a class that no sample is of is refused in a sentence")
  func emptyClass() throws {
    let model = try network("vgg-mini", input: small)
    let pruner = try Pruner(model)
    let samples = images(for: model, count: 7)
    let context = ScoringContext(
      model: model, layers: pruner.groups.layers, samples: samples, batch: 7, pool: testPool)
    #expect { try RelevanceCriterion().scores(context) } throws: { "\($0)".hasPrefix("class 7 has no samples") }
  }
}
