import Configuration
import Crossbars
import Datasets
import Foundation

/// A named device in a file of its own: `Data/devices/<name>.json`.
struct DevicePresetFile: Configurable {
  var summary = ""
  var sources: [String] = []
  var origin: [(key: String, value: String)] = []
  var device = DeviceKeys()

  static let documentation = "A device preset."
  static let fields: [Field<DevicePresetFile>] = [
    Field("summary", \.summary, .text, "What the device is, in a line.", required: true),
    Field("sources", \.sources, .list(of: .text), "Where its figures are from.", required: true),
    Field(
      "origin", \.origin, .orderedMap(of: .text),
      "For each key of the device where its value is from: published, derived (and how), or ours.", required: true),
    Field("device", \.device, .object(), "The device's keys.", required: true),
  ]
}

/// The presets that are found in the folders `devices` of the data folders; of one name the first that is found.
struct DevicePresets: Sendable {
  var presets: [(name: String, file: DevicePresetFile)] = []
  /// Files that cannot be used, a sentence each.
  var problems: [String] = []

  /// Those of this process.
  static let shipped = DevicePresets(folders: DataLocation.current.folders.map { $0 + "/devices" })

  init(folders: [String]) {
    for folder in folders {
      let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
      for file in names where file.hasSuffix(".json") {
        let name = String(file.dropLast(5))
        guard !presets.contains(where: { $0.name == name }) else { continue }
        do {
          let json = try JSON.parse(FileBytes.read("\(folder)/\(file)", limit: 1 << 20), file: "\(folder)/\(file)")
          presets.append((name, try DevicePresetFile.decode(json).get()))
        } catch { problems.append("\(error)") }
      }
    }
    presets.sort { $0.name < $1.name }
  }
}
