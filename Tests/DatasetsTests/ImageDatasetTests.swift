import Testing

@testable import Datasets

@Suite("Image data sets")
struct ImageDatasetTests {
  static func bytes(_ count: Int, labels: [Int]? = nil, classes: Int = 3) throws -> LabelledImages {
    try LabelledImages(
      sampleShape: [2, 2, 1], values: .bytes((0..<4 * count).map { UInt8($0 % 256) }, scale: 255),
      labels: labels ?? (0..<count).map { $0 % classes }, classes: classes, imagesName: "images", labelsName: "labels")
  }

  @Test("empty parts, counts that disagree and labels that are no class are refused")
  func refused() {
    #expect(refusal { try Self.bytes(0) } == "labels: is empty, at least one sample was expected")
    #expect(refusal { try Self.bytes(0, labels: [1]) } == "images: is empty, at least one sample was expected")
    #expect(refusal { try Self.bytes(3, labels: [1]) } == "images: has 3 images, labels has 1 labels; they must agree")
    #expect(refusal { try Self.bytes(3, labels: [0, 3, 0]) } == "labels: label 1 is 3, expected 0 to 2")
    #expect(refusal { try Self.bytes(1, labels: [-1]) } == "labels: label 0 is -1, expected 0 to 2")
    for shape in [[0, 2], [Int.max, 2]] {
      #expect(
        refusal {
          try LabelledImages(
            sampleShape: shape, values: .floats([1]), labels: [0], classes: 1, imagesName: "images",
            labelsName: "labels")
        }.contains("at least one value was expected"))
    }
  }

  @Test("parts that differ in shape are refused")
  func shapes() throws {
    let other = try LabelledImages(
      sampleShape: [4], values: .floats([1, 2, 3, 4]), labels: [0], classes: 3, imagesName: "i", labelsName: "l")
    let names = ["a", "b", "c"]
    #expect(
      refusal { try ImageDataset(name: "d", classNames: names, train: Self.bytes(3), test: other) }
        == "d: training samples are 2×2×1, test samples 4; they must agree")
  }

  @Test("limits keep the first samples, validation takes the last of training")
  func splits() throws {
    let set = try ImageDataset(name: "d", classNames: ["a", "b", "c"], train: Self.bytes(10), test: Self.bytes(5))
    let limited = try set.limited(train: 7, test: 100)
    #expect(limited.train == (try Self.bytes(7)) && limited.test.count == 5)
    let split = try limited.withValidation(fraction: 0.3)
    #expect(split.train == (try Self.bytes(5)) && split.validation == limited.train.subset(5..<7))
    #expect(try split.part(.validation).count == 2 && split.part(.train).count == 5 && split.part(.test).count == 5)
    #expect(refusal { try set.part(.validation) }.contains("has no validation part"))
    #expect(refusal { try set.limited(train: 0) }.contains("a limit of 0 samples"))
    #expect(refusal { try split.limited(test: 1) }.contains("before its validation part"))
    #expect(
      refusal { try set.withValidation(count: 10) } == "d: 10 validation samples were asked for, expected 1 to 9 of 10")
    #expect(refusal { try set.withValidation(fraction: 0.01) }.contains("0 validation samples"))
    #expect(refusal { try set.withValidation(fraction: .nan) }.contains("a validation fraction of nan"))
  }

  @Test("arrays become images or features by their axes, bytes stay bytes")
  func arrays() throws {
    let labels = NumericArray(shape: [2], elements: .int64([0, 4]))
    func images(_ shape: [Int], _ elements: NumericArray.Elements, _ labels: NumericArray = labels) throws
      -> LabelledImages
    {
      try LabelledImages(
        images: .init(shape: shape, elements: elements), imagesName: "X", labels: labels, labelsName: "y")
    }
    #expect(try images([2, 2, 3], .uint8(Array(0..<12))).sampleShape == [2, 3, 1])
    #expect(try images([2, 1, 2, 3], .uint8(Array(0..<12))).values == .bytes(Array(0..<12), scale: 255))
    #expect(try images([2, 2], .float64([1, 2, 3, 4])).values == .floats([1, 2, 3, 4]))
    #expect(refusal { try images([2], .uint8([0, 1])) }.hasPrefix("X: has the shape 2, expected [N, height, width]"))
    #expect(refusal { try images([3, 1], .uint8([0, 1, 2])) } == "X: has 3 images, y has 2 labels; they must agree")
    #expect(
      refusal { try images([2, 1], .float32([1, .nan])) }
        == "X: sample 1 holds NaN or infinity, finite values were expected")
    let column = NumericArray(shape: [2, 1], elements: .int64([0, 1]))
    #expect(
      refusal { try images([2, 1], .uint8([0, 1]), column) } == "y: has the shape 2×1, expected one label an image, [N]"
    )
    let real = NumericArray(shape: [2], elements: .float32([0, 1]))
    #expect(refusal { try images([2, 1], .uint8([0, 1]), real) }.contains("holds float32, labels must be integers"))
    let vast = NumericArray(shape: [2], elements: .int64([0, 1 << 40]))
    #expect(refusal { try images([2, 1], .uint8([0, 1]), vast) }.contains("has a label of 1099511627776"))
  }

  @Test("a data set comes from .npy and from IDX files")
  func files() throws {
    try withTemporaryFolder { folder in
      try Npy.write(NumericArray(shape: [3, 2], elements: .float32([1, 2, 3, 4, 5, 6])), to: folder + "/x.npy")
      try Npy.write(NumericArray(shape: [3], elements: .uint8([0, 1, 3])), to: folder + "/y.npy")
      let pair = ImageDataset.Pair(images: folder + "/x.npy", labels: folder + "/y.npy")
      let set = try ImageDataset.npy(name: "n", train: pair, test: pair)
      #expect(set.classNames == ["0", "1", "2", "3"] && set.sampleShape == [2])
      #expect(
        refusal { try ImageDataset.npy(name: "n", train: pair, test: pair, classNames: ["a", "b"]) }.contains(
          "label 2 is 3"))
      try DurableFile.write([0, 0, 8, 1, 0, 0, 0, 2, 0, 1], to: folder + "/y.idx")
      let idx = ImageDataset.Pair(images: fixture("idx-u1.idx"), labels: folder + "/y.idx")
      #expect(try ImageDataset.idx(name: "i", train: idx, test: idx).sampleShape == [3, 4, 1])
    }
  }

  @Test(
    "some classes become rare in the training part alone: a drawn share of each, the others whole, all in their order")
  func imbalanced() throws {
    let whole = try ImageDataset(
      name: "d", classNames: ["a", "b", "c"], train: Self.bytes(60), test: Self.bytes(9)
    ).withValidation(count: 12)
    let set = try whole.imbalanced(classes: [1, 2], keeping: 0.25) { _, n in (0..<n).reversed() }
    func count(_ part: LabelledImages, _ c: Int) -> Int { part.labels.count { $0 == c } }
    #expect((0..<3).map { count(set.train, $0) } == [16, 4, 4])
    #expect(set.validation == whole.validation && set.test == whole.test)
    // The last of their class stay, with their own pixels.
    #expect(set.train.labels.suffix(4) == [2, 0, 1, 2])
    guard case .bytes(let kept, _) = set.train.values, case .bytes(let all, _) = whole.train.values else {
      Issue.record("bytes stay bytes")
      return
    }
    #expect(kept.suffix(16) == all.suffix(16))
    #expect(kept.count == 24 * 4)
  }

  @Test("a class that is none, or would be left without samples, is refused")
  func badImbalance() throws {
    let set = try ImageDataset(name: "d", classNames: ["a", "b", "c"], train: Self.bytes(9), test: Self.bytes(9))
    let order = { (_: Int, n: Int) in Array(0..<n) }
    #expect(
      refusal { try set.imbalanced(classes: [3], keeping: 0.5, order: order) }
        == "d: class 3 is to be made rare, but there are classes 0 to 2")
    #expect(
      refusal { try set.imbalanced(classes: [1], keeping: 0.1, order: order) }
        == "d: of the 3 training samples of class 1 (b) a share of 0.1 would leave none")
  }
}

@Suite("Batches")
struct BatchTests {
  /// One sample of 3×4 pixels and `channels` channels whose bytes all differ.
  static func image(channels: Int, floats: Bool = false) throws -> LabelledImages {
    let count = 2 * 3 * 4 * channels
    let bytes = (0..<count).map { UInt8(250 - 3 * $0) }
    return try LabelledImages(
      sampleShape: [3, 4, channels],
      values: floats ? .floats(bytes.map { Float($0) / 255 }) : .bytes(bytes, scale: 255),
      labels: [0, 1], classes: 2, imagesName: "i", labelsName: "l")
  }

  static func fill(_ filler: BatchFiller, _ indices: [Int], _ draws: [Augmentation.Draw]? = nil) -> [Float] {
    [Float](unsafeUninitializedCapacity: indices.count * filler.images.sampleSize) { buffer, count in
      filler.fill(buffer, indices: indices, draw: draws.map { draws in { draws[$0] } })
      count = buffer.count
    }
  }

  @Test("a plain batch is byte / scale, in the order asked for")
  func plain() throws {
    let images = try Self.image(channels: 2)
    let batch = Self.fill(try BatchFiller(images), [1, 0, 1])
    func sample(_ s: Int) -> [Float] { (0..<24).map { Float(250 - 3 * (24 * s + $0)) / 255 } }
    #expect(batch == sample(1) + sample(0) + sample(1))
  }

  @Test("the 8×8 digits' bytes are divided by 16")
  func scale() throws {
    let images = try LabelledImages(
      sampleShape: [1, 2, 1], values: .bytes([0, 16], scale: 16), labels: [0], classes: 1, imagesName: "i",
      labelsName: "l")
    #expect(Self.fill(try BatchFiller(images), [0]) == [0, 1])
  }

  @Test(
    "normalization, crop and flip agree with their definition, for bytes and floats", arguments: [1, 3], [false, true])
  func augmented(_ channels: Int, _ floats: Bool) throws {
    let images = try Self.image(channels: channels, floats: floats)
    let mean = (0..<channels).map { 0.2 + Float($0) / 10 }
    let deviation = (0..<channels).map { 0.5 + Float($0) / 4 }
    let filler = try BatchFiller(
      images, normalization: .init(mean: mean, deviation: deviation), augmentation: .init(padding: 4, flip: true))
    for dy in 0...8 {
      for dx in 0...8 {
        for flip in [false, true] {
          let batch = Self.fill(filler, [1], [.init(dx: dx, dy: dy, flip: flip)])
          for y in 0..<3 {
            for x in 0..<4 {
              for c in 0..<channels {
                // Pad by 4, cut 3×4 at (dy, dx), mirror.
                let (row, column) = (y + dy - 4, (flip ? 3 - x : x) + dx - 4)
                let inside = (0..<3).contains(row) && (0..<4).contains(column)
                let place = 12 * channels + (row * 4 + column) * channels + c
                let value = inside ? Float(250 - 3 * place) / 255 : 0
                #expect(batch[(y * 4 + x) * channels + c] == (value - mean[c]) / deviation[c])
              }
            }
          }
        }
      }
    }
    #expect(Self.fill(filler, [0]) == Self.fill(filler, [0], [.init(dx: 4, dy: 4, flip: false)]))
  }

  @Test("one mean and deviation serve all channels")
  func broadcast() throws {
    let images = try Self.image(channels: 3)
    let one = try BatchFiller(images, normalization: .init(mean: [0.5], deviation: [0.25]))
    let three = try BatchFiller(
      images, normalization: .init(mean: [0.5, 0.5, 0.5], deviation: [0.25, 0.25, 0.25]))
    #expect(Self.fill(one, [0, 1]) == Self.fill(three, [0, 1]))
    #expect(Self.fill(one, [0])[0] == (Float(250) / 255 - 0.5) / 0.25)
  }

  @Test("draws cover every window evenly and flip half of the time")
  func draws() {
    let augmentation = Augmentation(padding: 1, flip: true)
    #expect(augmentation.draw(0, .max, .max) == .init(dx: 0, dy: 2, flip: true))
    #expect(augmentation.draw(1 << 31, 0x5555_5555, 0x7fff_ffff) == .init(dx: 1, dy: 0, flip: false))
    #expect(Augmentation().draw(.max, .max, .max) == .init(dx: 0, dy: 0, flip: false))
  }

  @Test("normalization and augmentation that do not fit are refused")
  func refused() throws {
    let images = try Self.image(channels: 3)
    #expect(
      refusal { try BatchFiller(images, normalization: .init(mean: [1, 2], deviation: [1])) }.contains(
        "2 means were given for 3 channels"))
    #expect(
      refusal { try BatchFiller(images, normalization: .init(mean: [1], deviation: [0])) }.contains(
        "deviations above 0"))
    #expect(refusal { try BatchFiller(images, augmentation: .init(padding: 5)) }.contains("a padding of 5"))
    let features = try LabelledImages(
      sampleShape: [2], values: .floats([1, 2]), labels: [0], classes: 1, imagesName: "i", labelsName: "l")
    #expect(refusal { try BatchFiller(features, augmentation: .init(flip: true)) }.contains("images were expected"))
  }
}
