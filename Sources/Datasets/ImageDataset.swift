/// The parts of a data set.
public enum Split: String, Sendable, CaseIterable {
  case train
  /// Held out of the training part; empty unless asked for.
  case validation
  case test
}

/// Samples with a class each: one part of a data set.
public struct LabelledImages: Equatable, Sendable {
  /// The values of all samples, one after the other, each in the sample's own order.
  public enum Values: Equatable, Sendable {
    /// Bytes; the value of a pixel is byte / scale (255 for photographs, 16 for the 8×8 digits).
    case bytes([UInt8], scale: Float)
    /// Values as they are.
    case floats([Float])
  }

  /// [height, width, channels], or [features].
  public let sampleShape: [Int]
  public let values: Values
  /// The class of each sample, 0..<classes.
  public let labels: [Int]

  /// Number of samples.
  public var count: Int { labels.count }

  /// Number of values in a sample.
  public var sampleSize: Int { sampleShape.reduce(1, *) }

  /// Number of channels: the last axis.
  public var channels: Int { sampleShape.last ?? 1 }

  /// Checks and keeps one part of a data set.
  /// - Parameters:
  ///   - values: as many as the labels times the product of `sampleShape`.
  ///   - classes: labels must be below.
  ///   - imagesName: what sentences call the source of the values.
  ///   - labelsName: what sentences call the source of the labels.
  /// - Throws: `DataError` if the part is empty, the counts disagree, or a label is not a class.
  public init(
    sampleShape: [Int], values: Values, labels: [Int], classes: Int, imagesName: String, labelsName: String
  ) throws {
    let found =
      switch values {
      case .bytes(let v, _): v.count
      case .floats(let v): v.count
      }
    guard let size = checkedByteCount(shape: sampleShape, elementSize: 1), size > 0 else {
      throw DataError("\(imagesName): has samples of \(shapeText(sampleShape)) values, at least one value was expected")
    }
    guard found > 0, !labels.isEmpty else {
      throw DataError("\(labels.isEmpty ? labelsName : imagesName): is empty, at least one sample was expected")
    }
    guard found % size == 0, found / size == labels.count else {
      throw DataError(
        "\(imagesName): has \(found / size) images, \(labelsName) has \(labels.count) labels; they must agree")
    }
    if let index = labels.firstIndex(where: { $0 < 0 || $0 >= classes }) {
      throw DataError("\(labelsName): label \(index) is \(labels[index]), expected 0 to \(classes - 1)")
    }
    self.sampleShape = sampleShape
    self.values = values
    self.labels = labels
  }

  private init(sampleShape: [Int], values: Values, labels: [Int]) {
    (self.sampleShape, self.values, self.labels) = (sampleShape, values, labels)
  }

  /// The samples in `range`.
  /// - Precondition: the range lies within 0..<count.
  public func subset(_ range: Range<Int>) -> LabelledImages {
    let places = range.lowerBound * sampleSize..<range.upperBound * sampleSize
    let part: Values =
      switch values {
      case .bytes(let v, let scale): .bytes(Array(v[places]), scale: scale)
      case .floats(let v): .floats(Array(v[places]))
      }
    return LabelledImages(sampleShape: sampleShape, values: part, labels: Array(labels[range]))
  }

  /// The samples of the given numbers, in their order.
  /// - Precondition: each lies within 0..<count.
  public func selecting(_ samples: [Int]) -> LabelledImages {
    let size = sampleSize
    let part: Values =
      switch values {
      case .bytes(let v, let scale): .bytes(samples.flatMap { v[$0 * size..<($0 + 1) * size] }, scale: scale)
      case .floats(let v): .floats(samples.flatMap { v[$0 * size..<($0 + 1) * size] })
      }
    return LabelledImages(sampleShape: sampleShape, values: part, labels: samples.map { labels[$0] })
  }

  /// The first `count` samples, or all if there are fewer.
  public func prefix(_ count: Int) -> LabelledImages { count < self.count ? subset(0..<count) : self }
}

/// A data set for classification: images (NHWC) or feature vectors with labels, in parts.
public struct ImageDataset: Equatable, Sendable {
  public let name: String
  /// One name a class, in the order of the labels.
  public let classNames: [String]
  public private(set) var train: LabelledImages
  public private(set) var validation: LabelledImages?
  public private(set) var test: LabelledImages

  /// Number of classes.
  public var classes: Int { classNames.count }

  /// [height, width, channels], or [features].
  public var sampleShape: [Int] { train.sampleShape }

  /// - Throws: `DataError` if the samples of the two parts differ in shape.
  public init(name: String, classNames: [String], train: LabelledImages, test: LabelledImages) throws {
    guard train.sampleShape == test.sampleShape else {
      throw DataError(
        "\(name): training samples are \(shapeText(train.sampleShape)), test samples \(shapeText(test.sampleShape)); "
          + "they must agree")
    }
    (self.name, self.classNames, self.train, self.test) = (name, classNames, train, test)
  }

  /// One part.
  /// - Throws: `DataError` if it is the validation part and none was split off.
  public func part(_ split: Split) throws -> LabelledImages {
    switch split {
    case .train: return train
    case .test: return test
    case .validation:
      guard let validation else {
        throw DataError("\(name): has no validation part; split one off the training part with data.validation")
      }
      return validation
    }
  }

  /// Only the first `train` and the first `test` samples (nil keeps all).
  /// - Throws: `DataError` if a limit is below 1 or a validation part was split off before.
  public func limited(train trainLimit: Int? = nil, test testLimit: Int? = nil) throws -> ImageDataset {
    for limit in [trainLimit, testLimit].compactMap(\.self) where limit < 1 {
      throw DataError("\(name): a limit of \(limit) samples was asked for, at least 1 was expected")
    }
    guard validation == nil else { throw DataError("\(name): must be limited before its validation part is split off") }
    var copy = self
    if let trainLimit { copy.train = train.prefix(trainLimit) }
    if let testLimit { copy.test = test.prefix(testLimit) }
    return copy
  }

  /// The last `count` training samples become the validation part.
  /// - Throws: `DataError` unless at least one sample is left on both sides.
  public func withValidation(count: Int) throws -> ImageDataset {
    guard count >= 1, count < train.count else {
      throw DataError(
        "\(name): \(count) validation samples were asked for, expected 1 to \(train.count - 1) of \(train.count)")
    }
    var copy = self
    copy.train = train.subset(0..<train.count - count)
    copy.validation = train.subset(train.count - count..<train.count)
    return copy
  }

  /// Only a share of some classes' training samples; validation and test parts stay as they are.
  ///
  /// - Parameters:
  ///   - classes: numbers of the classes that become rare.
  ///   - share: of their samples that stay, rounded to the nearest count for each class.
  ///   - order: a permutation of so many samples of a class, the first of which stay.
  /// - Throws: `DataError` when a class is none of the data's, or would be left without samples.
  public func imbalanced(
    classes rare: [Int], keeping share: Double, order: (_ class: Int, _ count: Int) -> [Int]
  ) throws -> ImageDataset {
    var isKept = [Bool](repeating: true, count: train.count)
    for c in Set(rare).sorted() {
      guard c >= 0, c < classes else {
        throw DataError("\(name): class \(c) is to be made rare, but there are classes 0 to \(classes - 1)")
      }
      let own = train.labels.indices.filter { train.labels[$0] == c }
      let count = Int((Double(own.count) * share).rounded())
      guard count > 0 else {
        throw DataError(
          "\(name): of the \(own.count) training samples of class \(c) (\(classNames[c])) a share of \(share) would leave "
            + "none")
      }
      for i in order(c, own.count)[count...] { isKept[own[i]] = false }
    }
    var copy = self
    copy.train = train.selecting(isKept.indices.filter { isKept[$0] })
    return copy
  }

  /// The last `fraction` of the training samples, rounded to the nearest count, becomes the validation part.
  /// - Throws: `DataError` unless 0 < fraction < 1 and at least one sample is left on both sides.
  public func withValidation(fraction: Double) throws -> ImageDataset {
    guard fraction > 0, fraction < 1 else {
      throw DataError(
        "\(name): a validation fraction of \(fraction) was asked for, expected more than 0 and less than 1")
    }
    return try withValidation(count: Int((Double(train.count) * fraction).rounded()))
  }
}
